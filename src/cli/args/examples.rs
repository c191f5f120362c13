//! The examples at the end of each command's `--help`.

pub const SYNC_USAGE: &str = "driftless sync [up|down] [PATH]... [OPTIONS]";

pub const TOP_EXAMPLES: &str = "\
Examples:
  driftless sync --network /mnt/lab/project --staging ~/project
  driftless sync up                    in either folder: send what changed here
  driftless status --pair project
  driftless watch --detach             carry changes as they happen, in the background

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 conflicts, 4 refused by a guard,
5 drift found by a check, 6 done in part, 7 could not be checked, 8 busy, 75 offline,
128+n ended by signal n.";

pub const INIT_EXAMPLES: &str = "\
Examples:
  driftless init --network /mnt/lab/project --staging ~/project
  driftless init --network /mnt/lab/project
  driftless init --network /mnt/lab/project --staging /scratch/p2 --name second-copy";

pub const SYNC_EXAMPLES: &str = "\
Examples:
  driftless sync                       both ways, for the pair of the current folder
  driftless sync down                  take the network's changes
  driftless sync up results/ notes.md  send only these
  driftless sync --dry-run             what would be done, and why
  driftless sync --network /mnt/lab/project --staging ~/project
  driftless sync --conflict keep-both --conflict '*.log=prefer-staging'
  driftless sync up --allow-deletes    after a look at the deletes that were held
  driftless sync up --json --wait 5m";

pub const STATUS_EXAMPLES: &str = "\
Examples:
  driftless status
  driftless status --pair project --json
  driftless status --exit-code && echo in step
  driftless status --watch             what the watch process does, until Ctrl-C";

pub const CONFLICTS_EXAMPLES: &str = "\
Examples:
  driftless conflicts list
  driftless conflicts list --pair project --json
  driftless conflicts resolve results/table.csv --keep network
  driftless conflicts resolve 'logs/*.txt' notes/ --keep both
  driftless conflicts resolve --all --keep staging --dry-run";

pub const REVERT_EXAMPLES: &str = "\
Examples:
  driftless revert config.yaml         staging's version goes to its trash
  driftless revert results/ --dry-run  what would change, and how
  driftless undo last                  takes a revert back";

pub const HISTORY_EXAMPLES: &str = "\
Examples:
  driftless history                    the last 20 runs
  driftless history last               all that the last run did, and why
  driftless history 12 --json
  driftless history --path results     the life of what is at or below it";

pub const WATCH_EXAMPLES: &str = "\
Examples:
  driftless watch                      the pair of the current folder, until Ctrl-C
  driftless watch --detach --pair project
  driftless watch --json               one object a line
  driftless watch --listen 127.0.0.1:0 for programs that cannot reach a Unix socket

While it runs, `driftless sync` asks it, and looks at what changed alone.";

pub const STOP_EXAMPLES: &str = "\
Examples:
  driftless stop                       the pair of the current folder
  driftless stop && driftless watch --detach   after a change of pair.toml
  driftless stop --pair project --json";

pub const PAUSE_EXAMPLES: &str = "\
Examples:
  driftless pause                      before files are moved about for a while
  driftless sync up                    works all the same
  driftless resume                     carries what was changed meanwhile, and goes on";

pub const UNDO_EXAMPLES: &str = "\
Examples:
  driftless undo last --dry-run
  driftless undo last
  driftless undo 12 results/           only this of what run 12 did";

pub const TRASH_EXAMPLES: &str = "\
Examples:
  driftless trash list --side network
  driftless trash list --path results
  driftless trash restore results/table.csv
  driftless trash restore results --run 12
  driftless trash empty --older-than 7d --yes";

pub const RELINK_EXAMPLES: &str = "\
Examples:
  driftless relink --pair project --dry-run
  driftless relink --pair project      both folders are the right ones, as they are now
  driftless relink --pair project --network /mnt/new/project
  driftless relink --new-id --network /mnt/lab/project --staging ~/copied-from-there";

pub const DETECT_EXAMPLES: &str = "\
Examples:
  driftless detect .
  driftless detect /mnt/lab/project --json";

pub const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  driftless completions bash > ~/.local/share/bash-completion/completions/driftless
  driftless completions zsh > ~/.zfunc/_driftless";

pub const DOCTOR_EXAMPLES: &str = "\
Examples:
  driftless doctor                     both roots of the pair of the current folder
  driftless doctor /mnt/lab /scratch   any folders; nothing stays behind in them
  driftless doctor --pair project --json --wait 30s";

pub const MAN_EXAMPLES: &str = "\
Examples:
  driftless man sync | man -l -
  driftless man --dir ~/.local/share/man/man1";

pub const RUN_EXAMPLES: &str = "\
Examples:
  driftless run -- docker compose up   in a folder on a network drive, or on a local disk
  driftless run -- sh -c 'make && make test'
  driftless run --network /mnt/lab/project -- python3 analyse.py
  driftless run --push-every 0s -- ./workflow.sh     results are sent at the end only
  driftless run --staging /scratch/project -- bash
  driftless run --gates warn -- docker compose up    where the image is known to be old

The command finds SMART_SYNC_ENABLED, NETWORK_PROJECT_PATH, LOCAL_PROJECT_PATH, PROJECT_PATH and
DRIFTLESS_PAIR in its environment. Ctrl-C asks it to end, a second one ends it, and its results are
sent all the same; a third one gives up.";

pub const STEP_EXAMPLES: &str = "\
Examples:
  driftless step begin align           take the network's changes; nothing is sent until it ends
  driftless step end align             send the results
  driftless step end align --failed    send nothing
  driftless step status
  driftless step end align --strict    fail where the results could not be sent";

pub const STAGING_EXAMPLES: &str = "\
Examples:
  driftless staging list
  driftless staging remove --pair project
  driftless staging remove --network /mnt/lab/project --yes";

pub const GIT_EXAMPLES: &str = "\
Examples:
  driftless git state --exit-code      is the branch in step with its remote?
  driftless git sync                   follow the remote; what is in the way is kept
  driftless git publish status/node7.json -m 'node 7: done'
  driftless git pending list           what is not at the remote yet, or was not taken
  driftless git backups list           what following displaced";

pub const CONTAINER_EXAMPLES: &str = "\
Examples:
  driftless container check            every service that is built here: current or stale?
  driftless container check backend src/app.py
  driftless container check lab_web --map ./web:/srv/web --extra
  driftless container rebuild backend  build anew, replace, wait until healthy, check again
  driftless container rebuild --cached --wait 5m";

pub const IMAGE_EXAMPLES: &str = "\
Examples:
  driftless image check ghcr.io/team/app:latest
  driftless image check ghcr.io/team/app --context backend --against head
  driftless image check localhost:5000/app --grace 20m --json
  docker build $(driftless image stamp) -t ghcr.io/team/app:latest .";

pub const CHECK_EXAMPLES: &str = "\
Examples:
  driftless check                      one line a part, then what to mend first
  driftless check --watch              kept current, until Ctrl-C
  driftless check --json

Ends with 0 where all is in step, with 5 where something drifts, with 7 where that could not be told.
Where others can write the repository's settings, git is started only after pair.toml agrees:
[gates] with git = \"warn\" and image = \"warn\".";

pub const BENCH_EXAMPLES: &str = "\
Examples:
  driftless bench --html bench.html    10,000 files of code, every tool that is installed
  driftless bench --network /mnt/lab --rounds 5      on your own share
  driftless bench --project ~/thesis --scenarios first,nothing,changed
  driftless bench --latency 10 --peers rsync         as if the share were 10 ms away
  driftless bench --scale 10k,100k,1M --profile tiny-million --scenarios nothing
  driftless bench --files 500 --json > bench.json

Ends with 6 where a tool failed. What a killed one left behind is removed by the next one
with the same places. docs/benchmarks.md tells how to read it.";
