//! What libc's functions return: a number, or -1 with the reason in `errno`.

use ha_core::number::{Captured, InRegister, Request, errno};
use ha_core::rustix::io;

/// A return type of libc's that says "failed" with -1.
pub(crate) trait Returned: Copy {
    fn result(self) -> io::Result<usize>;
    fn signed(self) -> isize;
    fn of(result: io::Result<usize>) -> Self;
}

macro_rules! returned {
    ($($type:ty),*) => {
        $(impl Returned for $type {
            #[inline(always)]
            fn result(self) -> io::Result<usize> {
                usize::try_from(self).map_err(|_| errno::last())
            }

            #[inline(always)]
            fn signed(self) -> isize {
                self as isize
            }

            #[inline(always)]
            fn of(result: io::Result<usize>) -> Self {
                match result {
                    Ok(value) => value as Self,
                    Err(error) => failed(error),
                }
            }
        })*
    };
}

returned!(i32, i64, isize);

/// Fails with this error: `errno` is set, and the value returned is -1.
#[cold]
pub(crate) fn failed<T: From<i8>>(error: io::Errno) -> T {
    errno::set(error.raw_os_error());
    T::from(-1)
}

/// A new number, or -1 and the error.
pub(crate) fn number_or_error(made: io::Result<i32>) -> i32 {
    made.unwrap_or_else(failed)
}

/// Makes a call on a covered number, again if need be; `issue` is given the number to use.
#[inline(always)]
pub(crate) fn call<R: Returned>(covered: Captured, request: Request, mut issue: impl FnMut(i32) -> R) -> R {
    if !covered.is_quiet() {
        return returned(covered.call(request, move |number| issue(number).result()));
    }
    let value = issue(covered.number());
    if request.is_met_by(value.signed()) { value } else { judged(covered, request, value, issue) }
}

/// What a call comes to that was made at once and has returned this, which may show a death.
#[inline(always)]
pub(crate) fn judged<R: Returned>(covered: Captured, request: Request, value: R, mut issue: impl FnMut(i32) -> R) -> R {
    returned(covered.resume(request, value.result(), move |number| issue(number).result()))
}

#[inline(always)]
pub(crate) fn returned<R: Returned>(result: InRegister) -> R {
    R::of(result.into())
}
