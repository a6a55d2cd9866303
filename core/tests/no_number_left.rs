//! In a process of its own: it takes all numbers away.

use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::time::Duration;

use ha_core::rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use ha_core::{Attempt, cover};

/// Ends that stay open as long as the test.
static SERVERS: Mutex<Vec<UnixStream>> = Mutex::new(Vec::new());

#[test]
fn a_process_without_a_number_to_spare_recovers_as_soon_as_it_has_some() {
    let (near, far) = UnixStream::pair().unwrap();
    let again = |_: &Attempt<'_>| {
        let (near, far) = UnixStream::pair()?;
        SERVERS.lock().unwrap().push(far);
        Ok(near.into())
    };
    let mut covered = cover(near).recovered_with(again).within(Duration::from_secs(30)).attach().unwrap();
    drop(far);

    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: limit.maximum }).unwrap();
    let mut all: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    std::thread::scope(|scope| {
        let write = scope.spawn(|| covered.write(b"x").unwrap());
        std::thread::sleep(Duration::from_millis(30));
        assert!(!write.is_finished());
        all.clear();
        assert_eq!(write.join().unwrap(), 1);
    });
    assert_eq!(covered.report().recoveries, 1);
}
