//! Who made an answer.

use crate::evidence::Evidence;
use crate::verdict::MadeBy;

/// Who made the answer.
pub(crate) fn made_by(_evidence: &Evidence) -> MadeBy {
    MadeBy::Unknown
}
