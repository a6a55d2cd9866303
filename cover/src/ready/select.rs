//! How select names the numbers that are ready.

use std::ffi::{c_int, c_short};

use ha_core::number::{capture, repair};
use ha_core::rustix::io::Errno;
use libc::{fd_set, nfds_t, pollfd};

use super::Look;
use super::probe::probe;
use crate::returned::failed;

/// The numbers that a set can hold by its type. Programs that make larger ones are passed through.
const LARGEST: usize = libc::FD_SETSIZE;
const WORDS: usize = LARGEST / 64;

/// What each of the three sets asks for, and by what it is answered, in the words of poll(2) (select(2), "Correspondence").
const MEANING: [(c_short, c_short); 3] = [
    (libc::POLLIN, libc::POLLIN | libc::POLLHUP | libc::POLLERR),
    (libc::POLLOUT, libc::POLLOUT | libc::POLLERR),
    (libc::POLLPRI, libc::POLLPRI),
];

/// The three sets of a call, as the program gave them: the kernel overwrites them with its answer.
pub(crate) struct Sets {
    places: [*mut fd_set; 3],
    wanted: [[u64; WORDS]; 3],
    words: usize,
    many: c_int,
}

impl Sets {
    /// # Safety
    ///
    /// As for select(2): each place is null or has room for `many` bits until the call has returned.
    pub(crate) unsafe fn of(many: c_int, places: [*mut fd_set; 3]) -> Self {
        let words = usize::try_from(many).unwrap_or(0).div_ceil(64);
        let words = if words > WORDS { 0 } else { words };
        let mut wanted = [[0; WORDS]; 3];
        for (wanted, place) in wanted.iter_mut().zip(places).filter(|(_, place)| !place.is_null()) {
            // SAFETY: the caller's; the kernel, too, reads whole words.
            unsafe { place.cast::<u64>().copy_to_nonoverlapping(wanted.as_mut_ptr(), words) };
        }
        Self { places, wanted, words, many }
    }

    /// Puts back what the program asked for.
    pub(crate) fn restore(&self) {
        for (wanted, place) in self.wanted.iter().zip(self.places).filter(|(_, place)| !place.is_null()) {
            // SAFETY: as in `of`.
            unsafe { place.cast::<u64>().copy_from_nonoverlapping(wanted.as_ptr(), self.words) };
        }
    }

    /// A recovery function that waits for the number under repair waits for what it has staged: by poll(2), which can name it.
    ///
    /// Numbers beyond what a set holds by its type are left out.
    pub(crate) fn selected_by_holder(&self, poll: impl FnOnce(*mut pollfd, nfds_t) -> c_int) -> c_int {
        let asked: Vec<c_int> =
            (0..self.many.min(LARGEST as c_int)).filter(|number| self.events(*number) != 0).collect();
        let standing =
            |number: &c_int| pollfd { fd: repair::standing_for(*number), events: self.events(*number), revents: 0 };
        let mut polled: Vec<pollfd> = asked.iter().map(standing).collect();
        if poll(polled.as_mut_ptr(), polled.len() as nfds_t) == -1 {
            return -1;
        }
        if polled.iter().any(|polled| polled.revents & libc::POLLNVAL != 0) {
            return failed(Errno::BADF);
        }
        let mut ready = 0;
        for (which, place) in self.places.into_iter().enumerate().filter(|(_, place)| !place.is_null()) {
            let mut answer = [0_u64; WORDS];
            for (number, polled) in asked.iter().zip(&polled) {
                let index = number.unsigned_abs() as usize;
                if self.has(which, *number) && polled.revents & MEANING[which].1 != 0 {
                    answer[index / 64] |= 1 << (index % 64);
                    ready += 1;
                }
            }
            // SAFETY: as in `of`.
            unsafe { place.cast::<u64>().copy_from_nonoverlapping(answer.as_ptr(), self.words) };
        }
        ready
    }

    /// What poll(2) is to look for.
    fn events(&self, number: c_int) -> c_short {
        (0..MEANING.len()).filter(|which| self.has(*which, number)).fold(0, |events, which| events | MEANING[which].0)
    }

    fn has(&self, which: usize, number: c_int) -> bool {
        let index = number.unsigned_abs() as usize;
        self.wanted[which][index / 64] & 1 << (index % 64) != 0
    }

    /// Asks each covered number that is reported as readable.
    pub(crate) fn look_at_ready(&self) -> Look {
        let readable = self.places[0];
        if readable.is_null() || self.words == 0 {
            return Look::AsReported;
        }
        let mut look = Look::AsReported;
        for number in 0..self.many {
            // SAFETY: the set holds `many` numbers.
            let is_ready = unsafe { libc::FD_ISSET(number, readable) };
            if is_ready && capture(number).is_covered() && probe(number) == Look::Outdated {
                look = Look::Outdated;
            }
        }
        look
    }
}
