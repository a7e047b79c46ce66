//! What runs on a host: tracker, seeder or peer.

fn main() {}
