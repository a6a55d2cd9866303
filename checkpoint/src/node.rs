//! The node: a name, a normal function, and what a client adds to that.

use std::fmt;
use std::time::Duration;

use crate::fault::Function;
use crate::report::{Next, Report};
use crate::verdict::Verdict;
use crate::visit::Visit;

/// A normal or a rollback function.
type Call<N, C, E, K> = Box<dyn FnMut(&mut C, &mut Visit<'_, N, K>) -> Result<Next<N>, E> + Send>;
type Policy<N, C, E, K> = Box<dyn FnMut(&mut C, &Report<N, E>, &Visit<'_, N, K>) -> Verdict<N> + Send>;
type Pause = Box<dyn FnMut(u32) -> Duration + Send>;
pub(crate) type Sleep = Box<dyn FnMut(Duration) + Send>;

/// A node of a sequence: up to three functions under one name.
///
/// `N` is the type of the names, usually an enum; `C` the context that each function is lent, the client's own data; `E`
/// what functions fail with; `K` the checkpoints.
pub struct Node<N, C, E, K = ()> {
    pub(crate) name: N,
    normal: Call<N, C, E, K>,
    rollback: Option<Call<N, C, E, K>>,
    policy: Option<Policy<N, C, E, K>>,
    pause: Option<Pause>,
}

impl<N, C, E, K> Node<N, C, E, K> {
    /// A node that does its work with this function and says where to go next.
    pub fn new<F>(name: N, normal: F) -> Self
    where
        F: FnMut(&mut C, &mut Visit<'_, N, K>) -> Result<Next<N>, E> + Send + 'static,
    {
        Self { name, normal: Box::new(normal), rollback: None, policy: None, pause: None }
    }

    /// Undoes with this function what [`Visit::reached`] says, and names the node to go to; its own, to try again.
    ///
    /// A node without one succeeds in rolling back at once and tries again.
    #[must_use]
    pub fn rollback<F>(mut self, rollback: F) -> Self
    where
        F: FnMut(&mut C, &mut Visit<'_, N, K>) -> Result<Next<N>, E> + Send + 'static,
    {
        self.rollback = Some(Box::new(rollback));
        self
    }

    /// Answers with this function what this node's functions report; [`Report::default_verdict`] where there is none.
    #[must_use]
    pub fn policy<F>(mut self, policy: F) -> Self
    where
        F: FnMut(&mut C, &Report<N, E>, &Visit<'_, N, K>) -> Verdict<N> + Send + 'static,
    {
        self.policy = Some(Box::new(policy));
        self
    }

    /// Waits before each attempt after the first one, as long as this function says; it is given 1 for the first pause of a
    /// row of attempts, 2 for the second, and so on. Without it there is no pause.
    #[must_use]
    pub fn pause(mut self, pause: impl FnMut(u32) -> Duration + Send + 'static) -> Self {
        self.pause = Some(Box::new(pause));
        self
    }

    /// Waits before each attempt after the first one, as a builder of backon says; a row of attempts begins with the first
    /// delay, and goes on with the last one when there is no further. How often to try is the policy's business.
    ///
    /// ```
    /// use backon::ExponentialBuilder;
    /// use ha_checkpoint::{Next, Node};
    ///
    /// let node: Node<u8, (), &str> =
    ///     Node::new(1, |_, _| Err("not yet")).backoff(ExponentialBuilder::default().with_jitter());
    /// # let _ = node;
    /// ```
    #[cfg(feature = "backon")]
    #[must_use]
    pub fn backoff<B>(self, builder: B) -> Self
    where
        B: backon::BackoffBuilder<Backoff: 'static> + Clone + 'static,
    {
        let mut delays = builder.clone().build();
        let mut last = Duration::ZERO;
        self.pause(move |pause| {
            if pause == 1 {
                delays = builder.clone().build();
                last = Duration::ZERO;
            }
            last = delays.next().unwrap_or(last);
            last
        })
    }
}

impl<N: Copy, C, E, K> Node<N, C, E, K> {
    /// Runs one of its functions. A rollback that there is not succeeds.
    pub(crate) fn call(
        &mut self,
        function: Function,
        context: &mut C,
        visit: &mut Visit<'_, N, K>,
    ) -> Result<Next<N>, E> {
        match (function, &mut self.rollback) {
            (Function::Normal, _) => (self.normal)(context, visit),
            (Function::RollBack, Some(rollback)) => rollback(context, visit),
            (Function::RollBack, None) => Ok(Next::To(self.name)),
        }
    }

    /// Its policy's answer, or the default one's.
    pub(crate) fn judge(&mut self, context: &mut C, report: &Report<N, E>, visit: &Visit<'_, N, K>) -> Verdict<N> {
        match &mut self.policy {
            Some(policy) => policy(context, report, visit),
            None => report.default_verdict(),
        }
    }

    /// Makes the `pause`-th pause in a row of attempts.
    pub(crate) fn wait(&mut self, pause: u32, sleep: &mut Sleep) {
        if let Some(length) = &mut self.pause {
            sleep(length(pause));
        }
    }
}

impl<N: fmt::Debug, C, E, K> fmt::Debug for Node<N, C, E, K> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Node")
            .field("name", &self.name)
            .field("rollback", &self.rollback.is_some())
            .field("policy", &self.policy.is_some())
            .field("pause", &self.pause.is_some())
            .finish_non_exhaustive()
    }
}
