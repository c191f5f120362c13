//! Events of the console: Ctrl-C, Ctrl-Break, the end of its window, of the session and of the system.
//!
//! Windows calls a function of ours on a thread of its own. After Ctrl-C and Ctrl-Break the program goes on; after the others
//! it is ended when that function comes back, or about 5 s later. So it does not come back from those.

use std::io;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, CTRL_C_EVENT, SetConsoleCtrlHandler};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, TerminateProcess};
use windows_sys::core::BOOL;

/// What came. Every process of the console gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    CtrlC,
    CtrlBreak,
    /// The window was closed, or the session or the system ends: there are some seconds left.
    Farewell,
}

type Ear = Box<dyn Fn(Event) + Send>;

static EARS: Mutex<Vec<Ear>> = Mutex::new(Vec::new());

/// From here on each event is told to `ear`, on another thread, in the order of the ears.
///
/// # Errors
/// Windows takes no function for that.
pub fn hear(ear: impl Fn(Event) + Send + 'static) -> io::Result<()> {
    static BEGIN: Once = Once::new();
    let mut taken = Ok(());
    BEGIN.call_once(|| {
        // SAFETY: the function is one of this program's and stays for as long as it runs.
        if unsafe { SetConsoleCtrlHandler(Some(on_event), 1) } == 0 {
            taken = Err(io::Error::last_os_error());
        }
        // A program that was started to ignore Ctrl-C (`start /b`, a group of its own) ignores it on: nothing is taken back here.
    });
    EARS.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(ear));
    taken
}

/// Ends this program here and now, with nothing tidied.
pub fn end_now(code: u32) -> ! {
    // SAFETY: the handle stands for this process, and the call takes a number besides.
    unsafe { TerminateProcess(GetCurrentProcess(), code) };
    std::process::abort()
}

unsafe extern "system" fn on_event(number: u32) -> BOOL {
    let event = match number {
        CTRL_C_EVENT => Event::CtrlC,
        CTRL_BREAK_EVENT => Event::CtrlBreak,
        _ => Event::Farewell,
    };
    tell(event);
    if event == Event::Farewell {
        // The program ends by its own work meanwhile, and this thread with it.
        loop {
            std::thread::sleep(Duration::from_secs(60));
        }
    }
    1
}

fn tell(event: Event) {
    EARS.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|ear| ear(event));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use windows_sys::Win32::System::Console::{CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT};

    #[test]
    fn each_event_is_told_to_everybody_and_the_program_goes_on() {
        let heard: Arc<Mutex<Vec<(char, Event)>>> = Arc::default();
        for name in ['a', 'b'] {
            let heard = Arc::clone(&heard);
            hear(move |event| heard.lock().expect("whole").push((name, event))).expect("Windows takes it");
        }
        for number in [CTRL_C_EVENT, CTRL_BREAK_EVENT] {
            // SAFETY: what Windows does on a thread of its own.
            assert_eq!(unsafe { on_event(number) }, 1);
        }
        let expected = [('a', Event::CtrlC), ('b', Event::CtrlC), ('a', Event::CtrlBreak), ('b', Event::CtrlBreak)];
        assert_eq!(*heard.lock().expect("whole"), expected);
        // Where that function comes back the program is ended: it waits for the program's own end.
        for number in [CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT] {
            heard.lock().expect("whole").clear();
            // SAFETY: as above.
            let called = std::thread::spawn(move || unsafe { on_event(number) });
            while heard.lock().expect("whole").len() < 2 {
                assert!(!called.is_finished(), "{number} was told to nobody");
                std::thread::yield_now();
            }
            assert_eq!(*heard.lock().expect("whole"), [('a', Event::Farewell), ('b', Event::Farewell)], "{number}");
            assert!(!called.is_finished(), "{number}");
        }
    }
}
