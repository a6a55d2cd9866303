//! Reading small files below /proc.

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io;

/// The whole file.
///
/// # Errors
///
/// Those of open(2) and read(2); `ENOENT` when /proc is not mounted.
pub(crate) fn contents(path: &str) -> io::Result<Vec<u8>> {
    let file = rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut all = Vec::with_capacity(2048);
    loop {
        all.reserve(1024);
        if io::retry_on_intr(|| io::read(&file, rustix::buffer::spare_capacity(&mut all)))? == 0 {
            return Ok(all);
        }
    }
}

/// The value of the first line `name:value`, without the blanks around it.
pub(crate) fn field<'file>(contents: &'file [u8], name: &str) -> Option<&'file str> {
    contents.split(|byte| *byte == b'\n').find_map(|line| {
        let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
        std::str::from_utf8(value).ok().map(str::trim)
    })
}

/// The numbers that name the entries of a directory of /proc, such as `fd` or `task`.
///
/// # Errors
///
/// Those of open(2) and getdents(2).
pub(crate) fn numbered_entries(path: &str) -> io::Result<Vec<i32>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
    let mut numbers = Vec::new();
    for entry in rustix::fs::Dir::new(directory)? {
        numbers.extend(entry?.file_name().to_str().ok().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = b"pos:\t12\nflags:\t0100\nmnt_id:\t7\n";
        assert_eq!(field(text, "mnt_id"), Some("7"));
        assert_eq!(field(text, "pos"), Some("12"));
        assert_eq!(field(text, "mnt"), None);
    }

    #[test]
    fn long_files_are_read_whole() {
        assert_eq!(contents("/proc/self/smaps").map(|all| all.len() > 2048), Ok(true));
    }

    #[test]
    fn the_threads_of_this_process_include_this_one() {
        let me = rustix::thread::gettid().as_raw_nonzero().get();
        assert!(numbered_entries("/proc/self/task").unwrap().contains(&me));
    }
}
