//! Named cases of what policies and `revert` make of conflicts; how they are read is said in [`super::table`].

use super::table::check;

pub(super) const RULINGS: &str = "
staging preferred | a=1 | a=2 | a=3 | prefer-staging
    up both: overwrite network a (modified on both sides: staging's version was preferred); note a
    down: pending staging 1
network preferred | a=1 | a=2 | a=3 | prefer-network
    up: pending network 1
    down both: overwrite staging a (modified on both sides: network's version was preferred); note a
staging preferred where both were created | | a=1 | a=2 | prefer-staging
    up both: overwrite network a; note a
    down: pending staging 1
links, staging preferred | l->a | l->b | l->c | prefer-staging
    up both: overwrite network l; note l
    down: pending staging 1
no conflict, staging preferred | a=1 b=1 c=1 | a=2 b=1 | a=1 b=2 c=2 | prefer-staging
    up: overwrite network a (modified in staging); pending network 2
    down: overwrite staging b; revive staging c; pending staging 1
    both: overwrite network a; overwrite staging b; revive staging c
kinds apart, the file preferred | | d=1 | d/x=1 d/e/y=2 | prefer-staging
    up both: replace network d; note d
    down: pending staging 1
kinds apart, the folder preferred | | d=1 | d/x=1 d/e/y=2 | prefer-network
    up: pending network 1
    down both: replace staging d; write staging d/e; write staging d/e/y; write staging d/x; note d
folder became a file, edited inside, the file preferred | d/x=1 d/y=1 | d=1 | d/x=2 d/y=1 | prefer-staging
    up both: replace network d; forget d/x; forget d/y; note d
    down: pending staging 1
folder became a file, edited inside, the folder preferred | d/x=1 d/y=1 | d=1 | d/x=2 d/y=1 d/z=1 | prefer-network
    up: pending network 1
    down both: replace staging d; write staging d/x; write staging d/y; write staging d/z; note d
folder became a file, partly deleted, the folder preferred | d/x=1 d/y=1 | d=1 | d/x=2 | prefer-network
    up: pending network 1
    down both: replace staging d; write staging d/x; forget d/y; note d
ignored files are displaced by no preference | | d=1 | d/x=1 d/i! | prefer-staging
    all: conflict d (created on both sides)
unseen files are displaced by no preference | | d=1 | d/x=1 d/i?error | prefer-staging
    all: conflict d
ignored files of the side that is preferred | | d/x=1 d/i! | d=1 | prefer-staging
    up both: replace network d; write network d/x; note d
    down: pending staging 1
unseen files of the side that is preferred | | d/x=1 d/i?error | d=1 | prefer-staging
    up both: replace network d; write network d/x; permission staging d/i; note d
    down: pending staging 1
unseen files of the side that is preferred, known before | d/x=1 d/i=1 | d/x=1 d/i?error | d=1 | prefer-staging
    up both: replace network d; forget d/i; write network d/x; permission staging d/i; note d
    down: pending staging 1
a time that makes no sense, preferred | a=1 | a=2@far | a=3 | prefer-staging
    up both: overwrite network a; note a
    down: pending staging 1

both kept | a=1 | a=2 | a=3 | keep-both tied
    up down: conflict a (modified on both sides)
    both: aside a a~ (modified on both sides: both versions were kept); write staging a; write network a~; note a
both kept, with an extension | | a.csv=1 | a.csv=2 | keep-both tied
    up down: conflict a.csv
    both: write network a~.csv; aside a.csv a~.csv; write staging a.csv; note a.csv
both kept, the folder in staging | | d/x=1 d/e/y=2 | d=1 | keep-both tied
    up down: conflict d
    both: aside d d~; write staging d; write network d~; write network d~/e; write network d~/e/y; write network d~/x; note d
both kept, the folder on network | | d=1 | d/x=1 d/e/y=2 | keep-both tied
    up down: conflict d
    both: aside d d~; write staging d; write staging d/e; write staging d/e/y; write staging d/x; write network d~; note d
both kept, the folder in the base | d/x=1 d/y=1 | d/x=2 d/y=1 | d=1 | keep-both tied
    up down: conflict d
    both: aside d d~; write staging d; forget d/x; forget d/y; write network d~; write network d~/x; write network d~/y; note d
no conflict, both kept | a=1 b=1 | a=2 b=1 | a=1 | keep-both
    up: overwrite network a; pending network 1
    down: delete staging b; pending staging 1
    both: overwrite network a; delete staging b
ignored files go aside with their folder | | d/x=1 d/i! | d=1 | keep-both tied
    up down: conflict d
    both: aside d d~; write staging d; write network d~; write network d~/x; note d

taken back: modified | a=1 | a=2 | a=1 | take-network
    up: pending network 1
    down both: overwrite staging a (modified in staging: taken back to network's version)
taken back: modified on both sides | a=1 | a=2 | a=3 | take-network
    up: pending network 1
    down both: overwrite staging a (modified on both sides: taken back to network's version)
taken back: created | | a=1 | | take-network
    up: pending network 1
    down both: delete staging a (created in staging: taken back to network's version)
taken back: deleted | a=1 | | a=1 | take-network
    up: pending network 1
    down both: write staging a (deleted in staging: taken back to network's version)
taken back: touched | a=1 | a=1@5:600 | a=1 | take-network
    up: record a; pending network 1
    down both: touch staging a @0 :644
taken back: the other side's edit | a=1 | a=1 | a=2 | take-network
    up: pending network 1
    down both: overwrite staging a (modified on network: taken back to network's version)
taken back: the other side's delete | a=1 | a=1 | | take-network
    up: pending network 1
    down both: delete staging a
taken back: a new folder | | d/x=1 d/e/y=1 | | take-network
    up: pending network 4
    down both: delete staging d; delete staging d/e; delete staging d/e/y; delete staging d/x
taken back: a new folder with ignored files | | d/x=1 d/i! | | take-network
    up: pending network 2
    down both: delete staging d/x; note d
taken back: a new folder with unseen files | | d/x=1 d/i?error | | take-network
    up: permission staging d/i; pending network 2
    down both: delete staging d/x; permission staging d/i
taken back: a folder became a file | d/x=1 | d=1 | d/x=1 | take-network
    up: pending network 1
    down both: replace staging d; write staging d/x
taken back: a file became a folder | d=1 | d/x=1 d/y=1 | d=1 | take-network
    up: pending network 1
    down both: replace staging d
taken back: a file became a folder with ignored files | d=1 | d/i! | d=1 | take-network
    all: conflict d (modified in staging)
taken back: equal edits | a=1 | a=2 | a=2 | take-network
    all: record a (modified on both sides: taken back to network's version)
taken back: gone on both sides | a=1 | | | take-network
    all: forget a (deleted on both sides)
taken to staging's version | a=1 b=1 | a=2 | a=3 b=1 c=1 | take-staging
    up both: overwrite network a; delete network b; delete network c
    down: pending staging 3
";

#[test]
fn rulings() {
    check(RULINGS);
}
