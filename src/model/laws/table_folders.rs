//! Named cases of folders and of kinds that change; how they are read is said in [`super::table`].

use super::table::check;

pub(super) const FOLDERS: &str = "
folder created in staging | | d/ | |
    up both: write network d (created in staging)
    down: pending staging 1
folder created in staging with a file | | d/x=1 | |
    up both: write network d; write network d/x
    down: pending staging 2
folders created deep in staging | | d/e/x=1 | |
    up both: write network d; write network d/e; write network d/e/x
    down: pending staging 3
folder created on both sides | | d/ | d/ |
    all: adopt d
folder created on both sides, times apart | | d/@3 | d/@7 |
    all: adopt d
folder created on both sides, modes apart | | d/:700 | d/ | tied
    up: adopt d
    down both: touch staging d :755
folder created on both sides with other files | | d/x=1 | d/y=1 |
    up: adopt d; write network d/x; pending network 1
    down: adopt d; write staging d/y; pending staging 1
    both: adopt d; write network d/x; write staging d/y
folder created on both sides with a conflict | | d/x=1 d/y=1 | d/x=2 |
    up both: adopt d; write network d/y; conflict d/x
    down: adopt d; conflict d/x; pending staging 1
folder and file of one name | | d/x=1 | d=1 |
    all: conflict d
folder and link of one name | | d/x=1 | d->x |
    all: conflict d
other mode of a folder in staging | d/ | d/:700 | d/ |
    up both: touch network d :700
    down: pending staging 1
time of a folder in staging | d/ | d/@5 | d/ |
    all: record d
mode of a folder where modes are not kept | d/ | d/:700 | d/ | modeless
    all: nothing
file created in a folder in staging | d/ | d/x=1 | d/ |
    up both: write network d/x
    down: pending staging 1
file deleted in a folder in staging | d/x=1 | d/ | d/x=1 |
    up both: delete network d/x
    down: pending staging 1
a folder's other mode and a file in it | d/x=1 | d/:700 d/x=2 | d/x=1 |
    up both: touch network d :700; overwrite network d/x
    down: pending staging 2

empty folder deleted in staging | d/ | | d/ |
    up both: delete network d (deleted in staging)
    down: pending staging 1
folder deleted in staging | d/x=1 | | d/x=1 |
    up both: delete network d; delete network d/x
    down: pending staging 2
folders deleted deep in staging | d/e/x=1 | | d/e/x=1 |
    up both: delete network d; delete network d/e; delete network d/e/x
    down: pending staging 3
folder deleted on both sides | d/x=1 | | |
    all: forget d; forget d/x
folder deleted in staging, emptied on network | d/x=1 | | d/ |
    up both: delete network d; forget d/x
    down: forget d/x; pending staging 1
folder deleted in staging, other mode on network | d/ | | d/:700 |
    up both: delete network d
    down: pending staging 1
folder deleted in staging, a file in it touched on network | d/x=1 | | d/x=1@5 |
    up both: delete network d; delete network d/x
    down: pending staging 2
folder deleted in staging, a file in it modified on network | d/x=1 | | d/x=2 |
    up: pending network 2
    down both: revive staging d; revive staging d/x (deleted in staging, modified on network)
folder deleted in staging, one of its files modified on network | d/x=1 d/y=1 | | d/x=2 d/y=1 |
    up: delete network d/y; pending network 2
    down: revive staging d; revive staging d/x; pending staging 1
    both: revive staging d; revive staging d/x; delete network d/y
folder deleted in staging, a file created in it on network | d/x=1 | | d/x=1 d/n=1 |
    up: delete network d/x; pending network 2
    down: revive staging d; write staging d/n; pending staging 1
    both: revive staging d; write staging d/n (created on network); delete network d/x
folder deleted in staging, a folder created in it on network | d/ | | d/e/ |
    up: pending network 2
    down both: revive staging d; write staging d/e
folder deleted in staging, an edit deep in it | d/e/x=1 d/f/y=1 | | d/e/x=2 d/f/y=1 |
    up: delete network d/f; delete network d/f/y; pending network 3
    down: revive staging d; revive staging d/e; revive staging d/e/x; pending staging 2
    both: revive staging d; revive staging d/e; revive staging d/e/x; delete network d/f; delete network d/f/y
folder deleted in staging, something unknown in it | d/x=1 d/y=1 | | d/x=1 d/y?error |
    up both: delete network d/x; permission network d/y
    down: permission network d/y; pending staging 1
folder deleted in staging, something always unknown in it | d/x=1 | | d/x=1 d/s?special |
    up both: delete network d/x; note d/s
    down: note d/s; pending staging 1
folder deleted in staging, unknown deep in it | d/e/x=1 d/y=1 | | d/e/x=1 d/e/s?special d/y=1 |
    up both: delete network d/e/x; delete network d/y; note d/e/s
    down: note d/e/s; pending staging 2
folder deleted in staging, an edit and something unknown in it | d/x=1 | | d/x=2 d/s?special |
    up: pending network 2; note d/s
    down both: revive staging d; revive staging d/x; note d/s
folder deleted in staging, junk in it | d/x=1 | | d/x=1 d/j!junk |
    up both: delete network d; delete network d/x
    down: pending staging 2
folder deleted in staging, something ignored in it | d/x=1 | | d/x=1 d/i! |
    up both: forget d; delete network d/x; note d
    down: pending staging 2
folders deleted in staging, something ignored deep in them | d/e/x=1 | | d/e/x=1 d/e/i! |
    up both: forget d; forget d/e; delete network d/e/x; note d
    down: pending staging 3
folder deleted in staging, an edit and something ignored in it | d/x=1 | | d/x=2 d/i! |
    up: pending network 2
    down both: revive staging d; revive staging d/x
folder deleted in staging, unknown and ignored in it | d/ | | d/s?special d/i! |
    all: note d/s
folder deleted in staging, edited beside a folder with something ignored | d/e/ d/x=1 | | d/e/i! d/x=2 |
    up: forget d/e; note d/e; pending network 2
    down: revive staging d; revive staging d/x; pending staging 1
    both: revive staging d; forget d/e; revive staging d/x; note d/e
folder deleted in staging, a new folder of ignored things in it | d/ | | d/e/i! |
    up both: forget d; note d
    down: pending staging 1
folder deleted in staging, what was known in it is ignored now | d/x=1 d/y=1 | | d/x=1 d/y! |
    up both: forget d; delete network d/x; forget d/y; note d
    down: forget d/y; pending staging 2
folder deleted in staging, a folder in it became a file | d/e/x=1 | | d/e=1 |
    up: forget d/e/x; pending network 2
    down both: revive staging d; revive staging d/e; forget d/e/x

new folder of ignored things | | d/i! | |
    all: nothing
new folders of ignored things | | d/i! d/e/i! | |
    all: nothing
new folder of ignored things and junk | | d/i! d/j!junk | |
    all: nothing
new folder of ignored things and a file | | d/i! d/x=1 | |
    up both: write network d; write network d/x
    down: pending staging 2
new folder of ignored things and an empty one | | d/i! d/e/ | |
    up both: write network d; write network d/e
    down: pending staging 2
new folder of ignored things and something unknown | | d/i! d/s?special | |
    up both: write network d; note d/s
    down: note d/s; pending staging 1
new folder of junk | | d/j!junk | |
    up both: write network d
    down: pending staging 1
new folder of ignored things beside a file | | d/i! x=1 | |
    up both: write network x
    down: pending staging 1
new folder with a folder of ignored things | | d/x=1 d/e/i! | |
    up both: write network d; write network d/x
    down: pending staging 2
folder that holds ignored things on both sides | | d/i! | d/i! |
    all: adopt d
folder newly ignored | d/x=1 | d! | d! |
    all: forget d
ignored folder where network has one | | d! | d/x=1 |
    all: taken staging d

unknown folder hides what is below | d/x=1 | d/x=2 | d?error |
    all: permission network d
folder moved in staging | d/x=1 | e/x=1 | d/x=1 |
    up both: delete network d; delete network d/x; write network e; write network e/x
    down: pending staging 4
folder moved in staging, edited on network | d/x=1 | e/x=1 | d/x=2 |
    up: write network e; write network e/x; pending network 2
    down: revive staging d; revive staging d/x; pending staging 2
    both: revive staging d; revive staging d/x; write network e; write network e/x
names beside a folder sort after what it holds | d/x=1 d-e=1 | d/x=2 d-e=2 | d/x=1 d-e=1 |
    up both: overwrite network d/x; overwrite network d-e
    down: pending staging 2
";

pub(super) const KINDS: &str = "
file became a link in staging | a=1 | a->x | a=1 |
    up both: replace network a (modified in staging)
    down: pending staging 1
file became a link in staging, touched on network | a=1 | a->x | a=1@5 |
    up both: replace network a
    down: pending staging 1
file became a link in staging, modified on network | a=1 | a->x | a=2 |
    all: conflict a
file became a link on both sides, equally | a=1 | a->x | a->x |
    all: record a
file became a link on both sides, unequally | a=1 | a->x | a->y |
    all: conflict a
file became a folder in staging | a=1 | a/ | a=1 |
    up both: replace network a
    down: pending staging 1
file became a folder with a file in staging | a=1 | a/x=1 | a=1 |
    up both: replace network a; write network a/x
    down: pending staging 1
file became a folder of ignored things in staging | a=1 | a/i! | a=1 |
    up both: replace network a
    down: pending staging 1
file became a folder in staging, modified on network | a=1 | a/x=1 | a=2 |
    all: conflict a
file became a folder in staging, deleted on network | a=1 | a/x=1 | |
    up both: revive network a; write network a/x
    down: pending staging 2
file became a folder on both sides | a=1 | a/x=1 | a/y=1 |
    up: record a; write network a/x; pending network 1
    down: record a; write staging a/y; pending staging 1
    both: record a; write network a/x; write staging a/y
file became a folder in staging, a link on network | a=1 | a/x=1 | a->x |
    all: conflict a

folder became a file in staging | d/ | d=1 | d/ |
    up both: replace network d (modified in staging)
    down: pending staging 1
folder became a link in staging | d/x=1 | d->e | d/x=1 |
    up both: replace network d; forget d/x
    down: pending staging 1
folder became a file in staging, with files below | d/x=1 d/e/y=1 | d=1 | d/x=1 d/e/y=1 |
    up both: replace network d; forget d/e; forget d/e/y; forget d/x
    down: pending staging 1
folder became a file in staging, other mode on network | d/x=1 | d=1 | d/:700 d/x=1 |
    up both: replace network d; forget d/x
    down: pending staging 1
folder became a file in staging, a file in it touched on network | d/x=1 | d=1 | d/x=1@5 |
    up both: replace network d; forget d/x
    down: pending staging 1
folder became a file in staging, a file in it deleted on network | d/x=1 | d=1 | d/ |
    up both: replace network d; forget d/x
    down: pending staging 1
folder became a file in staging, deleted on network | d/x=1 | d=1 | |
    up both: revive network d; forget d/x
    down: forget d/x; pending staging 1
folder became a file in staging, junk in it on network | d/x=1 | d=1 | d/x=1 d/j!junk |
    up both: replace network d; forget d/x
    down: pending staging 1
folder became a file in staging, modified in it on network | d/x=1 | d=1 | d/x=2 |
    all: conflict d (modified in staging)
folder became a file in staging, created in it on network | d/x=1 | d=1 | d/x=1 d/n=1 |
    all: conflict d
folder became a file in staging, created deep in it on network | d/e/x=1 | d=1 | d/e/x=1 d/e/n=1 |
    all: conflict d
folder became a file in staging, unknown in it on network | d/x=1 | d=1 | d/x?error |
    all: conflict d
folder became a file in staging, a device in it on network | d/x=1 | d=1 | d/x=1 d/s?special |
    all: conflict d
folder became a file in staging, ignored in it on network | d/x=1 | d=1 | d/x=1 d/i! |
    all: conflict d
folder became a file on both sides, equally | d/x=1 | d=1 | d=1 |
    all: record d; forget d/x
folder became a file on both sides, unequally | d/x=1 | d=1 | d=2 |
    all: conflict d
folder became a file in staging, a link on network | d/x=1 | d=1 | d->x |
    all: conflict d
kind changed in staging, device on network | d/x=1 | d=1 | d?special |
    all: not_representable network d
kind changed in staging, ignored on network | d/x=1 | d=1 | d! |
    all: taken network d
kind changed deep in staging | p/d/x=1 | p/d=1 | p/d/x=1 |
    up both: replace network p/d; forget p/d/x
    down: pending staging 1
kind changed in staging with a conflict beside it | d/x=1 a=1 | d=1 a=2 | d/x=1 a=3 |
    up both: replace network d; forget d/x; conflict a
    down: conflict a; pending staging 1
kinds exchanged between two names | a=1 d/x=1 | a/x=1 d=1 | a=1 d/x=1 |
    up both: replace network a; write network a/x; replace network d; forget d/x
    down: pending staging 2
conflict of kinds is reported once | | d/x=1 d/y=1 d/e/z=1 | d=1 |
    all: conflict d
";

#[test]
fn folders() {
    check(FOLDERS);
}

#[test]
fn kinds_that_change() {
    check(KINDS);
}
