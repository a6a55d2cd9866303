//! Nodes of C functions, as ha-checkpoint knows them.

#![allow(unsafe_code)]

use std::ffi::c_long;

use ha_checkpoint::Node;

use crate::desk::Role;
use crate::handle::Call;
use crate::list::Functions;

/// The node of this number. Its policy is always asked, so that an observer is told.
pub(crate) fn node(number: c_long, functions: Functions) -> Node<c_long, Call, c_long, std::ffi::c_ulong> {
    let Functions { normal, rollback, policy } = functions;
    let node = Node::new(number, move |call: &mut Call, visit| {
        call.desk().open(Role::Normal, visit);
        // SAFETY: a normal function, by the contract of HC_NewSequence.
        let returned = unsafe { normal(call.handle(), call.userdata()) };
        call.desk().close(returned, visit)
    })
    .policy(move |call, report, visit| {
        let desk = call.desk();
        desk.judge(report, visit, |event, data| match policy {
            Some(policy) => {
                // SAFETY: a policy function, by the contract of HC_NewSequence.
                unsafe { policy(call.handle(), call.userdata(), event, data) };
            }
            // Not refused: a policy is being asked.
            None => drop(desk.verdict(report.default_verdict())),
        })
    });
    let Some(rollback) = rollback else { return node };
    node.rollback(move |call, visit| {
        call.desk().open(Role::RollBack, visit);
        let checkpoint = visit.reached().copied().unwrap_or_default();
        // SAFETY: a rollback function, by the contract of HC_NewSequence.
        let returned = unsafe { rollback(call.handle(), call.userdata(), checkpoint) };
        call.desk().close(returned, visit)
    })
}
