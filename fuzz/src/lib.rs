//! What all fuzz targets share: with the fuzzer they are its targets, and without it they play the files that they are
//! given.

#[cfg(fuzzing)]
pub use libfuzzer_sys;

/// Makes `$play`, which panics where the code and its model part, the target of this file.
#[macro_export]
macro_rules! target {
    ($play:expr) => {
        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $play(bytes));

        #[cfg(not(fuzzing))]
        fn main() -> std::process::ExitCode {
            $crate::replay($play)
        }
    };
}

/// Plays every file, and every file of every directory, that is named on the command line.
pub fn replay(play: impl Fn(&[u8])) -> std::process::ExitCode {
    let mut played = 0;
    for argument in std::env::args_os().skip(1) {
        let path = std::path::PathBuf::from(argument);
        let files = match std::fs::read_dir(&path) {
            Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
            Err(_) => Ok(vec![path.clone()]),
        };
        let files = files.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for file in files {
            eprintln!("{}", file.display());
            play(&std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())));
            played += 1;
        }
    }
    if played == 0 {
        eprintln!("nothing to play: name files, or directories of files, that a fuzzer has written");
        return std::process::ExitCode::FAILURE;
    }
    println!("{played} played");
    std::process::ExitCode::SUCCESS
}
