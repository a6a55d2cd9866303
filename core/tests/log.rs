//! What the log is told. A process of its own: which events are wanted is remembered for all threads of a process.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use ha_core::{RecoveryError, cover};

/// Collects the messages of events under the target `ha`.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "ha"
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Message(String);
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        if let Ok(mut messages) = self.0.lock() {
            messages.push(message.0);
        }
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn the_log_tells_failed_recovering_recovered_and_given_up() {
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let servers = Mutex::new(vec![UnixStream::pair().unwrap(), UnixStream::pair().unwrap()]);
    let (client, server) = servers.lock().unwrap().pop().unwrap();
    let second = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&second);
    let covered = cover(client)
        .recovered_with(move |_| match servers.lock().unwrap().pop() {
            Some((client, server)) => {
                *kept.lock().unwrap() = Some(server);
                Ok(client.into())
            }
            None => Err(RecoveryError::Final(std::io::ErrorKind::ConnectionRefused.into())),
        })
        .attach()
        .unwrap();
    drop(server);
    (&covered).write_all(b"x").unwrap();
    drop(second.lock().unwrap().take());
    (&covered).write(b"x").unwrap_err();
    let told = log.0.lock().unwrap().clone();
    assert_eq!(told, ["failed", "recovering", "recovered", "failed", "recovering", "given up"]);
}
