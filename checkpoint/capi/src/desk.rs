//! The desk: where the function that is running leaves what it says, by `HC_` calls, until it returns.

use std::cell::Cell;
use std::ffi::{c_int, c_long, c_uint, c_ulong};

use ha_checkpoint::{Event, Next, Report, Verdict, Visit};

use crate::observer::Observer;
use crate::values::{
    Code, HC_NORMALFAIL, HC_NORMALSUCCESS, HC_Observation_t, HC_ROLLBACKFAIL, HC_ROLLBACKSUCCESS, HC_SAW_EVENT,
    HC_SAW_REPLACED, HC_SAW_VERDICT, HC_VERDICT_FAIL, HC_VERDICT_FINISH, HC_VERDICT_GOTO, HC_VERDICT_PREVIOUS,
    HC_VERDICT_RETRY, HC_VERDICT_ROLLBACK,
};

/// Which function of a node is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Normal,
    RollBack,
    Policy,
}

/// A report, with data that is a node number or an error.
pub(crate) type Reported = Report<c_long, c_long>;

/// What has been said, and by which function.
#[derive(Default)]
pub(crate) struct Desk {
    /// Who may say something; `None` while the library itself is running.
    role: Cell<Option<Role>>,
    node: Cell<c_int>,
    attempt: Cell<c_uint>,
    report: Cell<Option<Reported>>,
    checkpoint: Cell<Option<c_ulong>>,
    verdict: Cell<Option<Verdict<c_long>>>,
    /// A policy function has returned without a verdict.
    mute: Cell<bool>,
    /// The last failure of the run, and the node that has reported it.
    failure: Cell<Option<(c_int, c_long)>>,
    observer: Cell<Option<Observer>>,
}

impl Desk {
    /// Clears it for a run.
    pub(crate) fn begin(&self) {
        self.role.set(None);
        self.attempt.set(0);
        self.mute.set(false);
        self.failure.set(None);
    }

    /// A normal or a rollback function is about to run: nothing has been said.
    pub(crate) fn open(&self, role: Role, visit: &Visit<'_, c_long, c_ulong>) {
        self.role.set(Some(role));
        self.report.set(None);
        self.checkpoint.set(None);
        self.attempt.set(visit.attempt());
        self.node.set(number(visit.node()));
    }

    /// The function has returned: what it has said counts. One that has not reported has failed with what it returned.
    pub(crate) fn close(
        &self,
        returned: c_int,
        visit: &mut Visit<'_, c_long, c_ulong>,
    ) -> Result<Next<c_long>, c_long> {
        self.role.set(None);
        if let Some(value) = self.checkpoint.take() {
            visit.checkpoint(value);
        }
        match self.report.take() {
            Some(Report::NormalSuccess(next) | Report::RollBackSuccess(next)) => Ok(next),
            Some(Report::NormalFail(error) | Report::RollBackFail(error)) => Err(error),
            None => Err(returned.into()),
        }
    }

    /// A policy is about to be asked; `ask` is its function.
    pub(crate) fn judge(
        &self,
        report: &Reported,
        visit: &Visit<'_, c_long, c_ulong>,
        ask: impl FnOnce(c_int, c_long),
    ) -> Verdict<c_long> {
        self.node.set(number(visit.node()));
        self.attempt.set(visit.attempt());
        let (event, data) = spelled(report);
        if let Some(error) = report.error() {
            self.failure.set(Some((self.node.get(), *error)));
        }
        self.observe(HC_Observation_t { what: HC_SAW_EVENT, event, data, ..Default::default() });
        self.verdict.set(None);
        self.role.set(Some(Role::Policy));
        ask(event, data);
        self.role.set(None);
        let verdict = self.verdict.take();
        let (name, target) = verdict.map_or((0, 0), named);
        self.observe(HC_Observation_t {
            what: HC_SAW_VERDICT,
            event,
            verdict: name,
            data: target,
            ..Default::default()
        });
        self.mute.set(verdict.is_none());
        verdict.unwrap_or(Verdict::Fail)
    }

    /// A function reports. The last report counts.
    pub(crate) fn report(&self, report: Reported) -> Result<(), Code> {
        self.must_be(match report.event() {
            Event::NormalSuccess | Event::NormalFail => Role::Normal,
            Event::RollBackSuccess | Event::RollBackFail => Role::RollBack,
        })?;
        if let Some(replaced) = self.report.replace(Some(report)) {
            let (event, data) = spelled(&replaced);
            self.observe(HC_Observation_t { what: HC_SAW_REPLACED, event, data, ..Default::default() });
        }
        Ok(())
    }

    /// A function records how far it got.
    pub(crate) fn checkpoint(&self, value: c_ulong) -> Result<(), Code> {
        match self.role.get() {
            Some(Role::Normal | Role::RollBack) => self.checkpoint.set(Some(value)),
            Some(Role::Policy) => return Err(Code::WrongFunction),
            None => return Err(Code::NotRunning),
        }
        Ok(())
    }

    /// A policy function answers. The last verdict counts.
    pub(crate) fn verdict(&self, verdict: Verdict<c_long>) -> Result<(), Code> {
        self.must_be(Role::Policy)?;
        self.verdict.set(Some(verdict));
        Ok(())
    }

    fn must_be(&self, role: Role) -> Result<(), Code> {
        match self.role.get() {
            Some(running) if running == role => Ok(()),
            Some(_) => Err(Code::WrongFunction),
            None => Err(Code::NotRunning),
        }
    }

    pub(crate) fn attempt(&self) -> c_uint {
        self.attempt.get()
    }

    pub(crate) fn failure(&self) -> Option<(c_int, c_long)> {
        self.failure.get()
    }

    /// The run is over.
    pub(crate) fn end(&self) {
        self.attempt.set(0);
    }

    /// Whether the run has ended because a policy function gave no verdict.
    pub(crate) fn is_mute(&self) -> bool {
        self.mute.get()
    }

    pub(crate) fn set_observer(&self, observer: Option<Observer>) {
        self.observer.set(observer);
    }

    fn observe(&self, observation: HC_Observation_t) {
        if let Some(observer) = self.observer.get() {
            observer.tell(&HC_Observation_t { node: self.node.get(), attempt: self.attempt.get(), ..observation });
        }
    }
}

/// The number of a node of the list, which is an int there.
fn number(node: c_long) -> c_int {
    c_int::try_from(node).unwrap_or_default()
}

/// What the data of a success means to the default policy.
pub(crate) fn next(data: c_long) -> Next<c_long> {
    if data == 0 { Next::Finish } else { Next::To(data) }
}

/// A report as C knows it: event and data.
fn spelled(report: &Reported) -> (c_int, c_long) {
    let data = |next: &Next<c_long>| match next {
        Next::To(data) => *data,
        Next::Finish => 0,
    };
    match report {
        Report::NormalSuccess(next) => (HC_NORMALSUCCESS, data(next)),
        Report::NormalFail(error) => (HC_NORMALFAIL, *error),
        Report::RollBackSuccess(next) => (HC_ROLLBACKSUCCESS, data(next)),
        Report::RollBackFail(error) => (HC_ROLLBACKFAIL, *error),
    }
}

/// The report that C means by event and data.
pub(crate) fn meant(event: c_int, data: c_long) -> Result<Reported, Code> {
    match event {
        HC_NORMALSUCCESS => Ok(Report::NormalSuccess(next(data))),
        HC_NORMALFAIL => Ok(Report::NormalFail(data)),
        HC_ROLLBACKSUCCESS => Ok(Report::RollBackSuccess(next(data))),
        HC_ROLLBACKFAIL => Ok(Report::RollBackFail(data)),
        _ => Err(Code::BadArgument),
    }
}

/// A verdict as C knows it: name and node.
fn named(verdict: Verdict<c_long>) -> (c_int, c_long) {
    match verdict {
        Verdict::Retry => (HC_VERDICT_RETRY, 0),
        Verdict::RollBackCurrent => (HC_VERDICT_ROLLBACK, 0),
        Verdict::RollBackPrevious => (HC_VERDICT_PREVIOUS, 0),
        Verdict::GoTo(node) => (HC_VERDICT_GOTO, node),
        Verdict::Finish => (HC_VERDICT_FINISH, 0),
        Verdict::Fail => (HC_VERDICT_FAIL, 0),
    }
}
