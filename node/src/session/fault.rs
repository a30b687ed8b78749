//! Rehearsed losses of this site, for those who try what happens then.

use super::study::Study;
use crate::output;
use motet_common::round::PhaseName;
use motet_secagg::message::Message;

impl Study {
    /// A rehearsed loss of this site: the process ends where the phase
    /// begins, or soon after.
    pub(super) fn drill(&mut self, message: &Message) {
        let phase = match message {
            Message::Plan(_) => PhaseName::Join,
            Message::AdvertSet(_) => PhaseName::Share,
            Message::Delivery(_) => PhaseName::Upload,
            Message::Proposal(_) => PhaseName::Sign,
            Message::RevealRequest(_) => PhaseName::Reveal,
            _ => return,
        };
        let attempt = self.follower.attempt.as_ref();
        let round = match message {
            Message::Plan(signed) => Some(signed.plan.round),
            _ => attempt.map(|attempt| attempt.round),
        };
        let due = self.shared.drill.filter(|drill| {
            drill.phase == phase && drill.round.is_none_or(|wanted| Some(wanted) == round)
        });
        if let Some(drill) = due {
            match drill.act {
                None => end_here(),
                Some(act) => self.acts_left = Some(act),
            }
        }
    }

    /// A rehearsed loss between two acts.
    pub(super) fn drill_act(&mut self) {
        if let Some(left) = &mut self.acts_left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                end_here();
            }
        }
    }
}

fn end_here() -> ! {
    output::note("drill: this process ends here");
    std::process::abort();
}
