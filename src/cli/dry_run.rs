//! What a run would do, said without touching a host.

use super::out::{Rows, count};
use super::plan::Draft;
use crate::base::ByteCount;
use crate::inventory::fold;
use crate::rollout::{Payload, Plan, Source};

/// Says it.
pub(super) fn text(draft: &Draft, plan: &Plan) -> String {
    let mut rows = Rows::default();
    rows.add("hosts", fold(draft.selected.iter().map(|id| &draft.host(id).name)));
    rows.add("seeder", draft.place_name(plan.seeder));
    rows.add("tracker", draft.place_name(plan.tracker));
    draft.course.describe(&mut rows, &draft.inventory);
    match &plan.source {
        Source::Packed(payload) => {
            let (layout, facts) = (payload.layout, &payload.facts);
            let pieces = count(u64::from(layout.piece_count()), "piece", "pieces");
            let length = ByteCount(u64::from(layout.nominal_piece_length()));
            rows.add("payload", format!("{} in {pieces} of {length}", ByteCount(layout.total())));
            let entries = count(facts.unpacked_entries, "entry", "entries");
            rows.add("unpacked", format!("{} in {entries}", facts.unpacked_bytes));
            rows.add("sha256", facts.sha256);
            rows.add("info-hash", payload.info_hash);
            rows.add("release", release(plan, Some(payload)));
        }
        Source::OnSeeder(order) => {
            rows.add("payload", format!("{} on the seeder, packaged there when the run starts", order.source));
            rows.add("release", release(plan, None));
        }
    }
    rows.add("lands in", draft.folders().into_iter().collect::<Vec<_>>().join(", "));
    rows.into_text() + "nothing was touched: this was a dry run\n"
}

fn release(plan: &Plan, payload: Option<&Payload>) -> String {
    match (&plan.tag, payload) {
        (Some(tag), _) => tag.to_string(),
        (None, Some(payload)) => plan.tag_for(&payload.facts).to_string(),
        (None, None) => format!("{}-<12 digits of the payload's SHA-256>", plan.source_name),
    }
}
