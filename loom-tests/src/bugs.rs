//! Bugs that somebody might put into core one day, each an expression and what stands for it while the bug lives.

#[derive(Clone, Copy, Debug)]
#[allow(dead_code)]
pub(crate) struct Bug {
    pub(crate) name: &'static str,
    /// Relative to core's `src`; a bug of the caller's is in the models' own.
    pub(crate) file: &'static str,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
}

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "recovery without the generation comparison",
        file: "recover/call.rs",
        from: "epoch.generation() != captured.generation()",
        to: "false",
    },
    Bug {
        name: "a claim is granted in a later epoch",
        file: "connection/gate.rs",
        from: "epoch_of(now) != captured",
        to: "false",
    },
    Bug {
        name: "gate opened without wake",
        file: "connection/gate.rs",
        from: "futex::wake_all(&self.state)",
        to: "()",
    },
    Bug {
        name: "a waiter sleeps without saying so",
        file: "connection/gate.rs",
        from: "state & WAITERS == 0",
        to: "false",
    },
    Bug {
        name: "a holder opens a gate that was taken over",
        file: "connection/gate.rs",
        from: "signed_off.is_err()",
        to: "false",
    },
    Bug {
        name: "gate opened before the words are written",
        file: "recover/claim.rs",
        from: "self.settle_all(epoch)",
        to: "{ self.connection.gate.open_at(epoch, ThreadId::current()); self.settle_all(epoch) }",
    },
    Bug { name: "slot unlinked after the kernel close", file: "models/peer.rs", from: "", to: "" },
    Bug {
        name: "a close does not wait for a number that is moving",
        file: "table/slot.rs",
        from: "return Unlinked::Moving",
        to: "()",
    },
    Bug {
        name: "an entry is handed out without a look at its word",
        file: "table/slot.rs",
        from: "self.word().belongs_to(identity).then_some(entry)",
        to: "Some(entry)",
    },
    Bug {
        name: "a word belongs to whoever asks",
        file: "table/word.rs",
        from: "self.identity() == Some(identity)",
        to: "self.is_covered()",
    },
    Bug {
        name: "transplant forgets one dup",
        file: "recover/transplant.rs",
        from: "Some(*number) != self.held",
        to: "*number % 2 == 0",
    },
    Bug {
        name: "transplant does not mark the number",
        file: "recover/transplant.rs",
        from: "self.held != Some(number) && !slot.begin_move(identity)",
        to: "false",
    },
    Bug {
        name: "a copy joins though its source has left",
        file: "recover/membership.rs",
        from: "table.word(source) == live",
        to: "true",
    },
    Bug {
        name: "a call is issued again on a number that is somebody else's",
        file: "recover/call.rs",
        from: "!word.belongs_to(self.identity)",
        to: "false",
    },
    Bug {
        name: "function replaced while being called freed too early",
        file: "connection/mod.rs",
        from: "self.function.load_full()",
        to: "{ let lent = self.function.load_full(); unsafe { Arc::decrement_strong_count(Arc::as_ptr(&lent)) }; lent }",
    },
    Bug {
        name: "ICOUNT reset too early",
        file: "recover/claim.rs",
        from: "self.connection.note_recovery()",
        to: "{ self.connection.note_recovery(); self.connection.limits.went_through() }",
    },
    Bug { name: "errno clobbered on success", file: "recover/call.rs", from: "errno::set(before)", to: "()" },
    Bug {
        name: "nobody looks for a circle",
        file: "recover/waiting.rs",
        from: "would_be_circular(connection)",
        to: "false",
    },
    Bug {
        name: "nobody looks whether the holder lives",
        file: "recover/claim.rs",
        from: "holder.is_gone()",
        to: "false",
    },
    Bug {
        name: "the child keeps the episodes of threads it does not have",
        file: "recover/fork.rs",
        from: "claim::end_for_missing_holder(table, &connection)",
        to: "()",
    },
];
