//! To be written.
pub(super) fn main(_args: &super::args::DemoArgs) -> super::exit::Ended {
    Ok(super::exit::Exit::Done)
}
