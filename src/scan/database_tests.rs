use super::*;
use crate::disk::open_root;
use crate::model::path::RelPath;

use std::fs;

/// A page of a database, and a log's and a journal's beginning.
fn content(word: &str) -> Vec<u8> {
    let page = |first: &[u8]| [first, &vec![0; 4096 - first.len()]].concat();
    match word {
        "db" => page(b"SQLite format 3\0"),
        "text" => page(b"no database"),
        "log" => page(&[0x37, 0x7f, 0x06, 0x82]),
        "journal" => page(&[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]),
        "zeros" => page(&[]),
        "empty" => Vec::new(),
        other => panic!("no such content: {other}"),
    }
}

/// `name=content` pieces in, `name` and what it shows out: `+` is a database with its log, `!` busy.
fn check(side: Side, files: &str, expected: &str) {
    let place = tempfile::tempdir().expect("a folder for the moment");
    for piece in files.split_whitespace() {
        let (name, word) = piece.split_once('=').expect("a name and its content");
        fs::write(place.path().join(name), content(word)).expect("a file");
    }
    let folder = open_root(place.path(), false).and_then(|root| root.folder(&RelPath::root())).expect("it opens");
    let listing = group(&*folder, side, folder.list().expect("a listing")).expect("no error");
    let told = |item: &Item<Node>| {
        let mark = match &item.value.content {
            NodeContent::Unreadable { kind: ProblemKind::Busy, .. } => "!",
            NodeContent::Plain(Content::File { size, .. }) if *size > 4096 => "+",
            NodeContent::Plain(_) => "",
            other => panic!("{other:?}"),
        };
        format!("{}{mark}", item.name.escape_ascii())
    };
    assert_eq!(listing.iter().map(told).collect::<Vec<_>>().join(" "), expected, "{side}: {files}");
}

#[test]
fn what_lies_beside_a_database_belongs_to_it() {
    for (files, staging, network) in [
        ("a=db", "a", "a"),
        ("a=db a-shm=zeros a-wal=empty a-journal=empty", "a", "a"),
        ("a=db a-journal=zeros", "a", "a"),
        ("a=db a-wal=log a-shm=zeros b=text", "a+ b", "a! b"),
        ("a=db a-journal=journal", "a!", "a!"),
        ("a=db a-journal=journal a-wal=log", "a!", "a!"),
        // No database, or none yet, or one that only its program can read.
        ("a=text a-wal=log", "a!", "a!"),
        ("a=empty a-journal=journal", "a!", "a!"),
        ("a=text a-wal=text a-journal=text a-shm=text", "a a-journal a-shm a-wal", "a a-journal a-shm a-wal"),
        ("a=empty a-wal=empty", "a a-wal", "a a-wal"),
        // Without their database.
        ("a-wal=log a-shm=zeros", "a-wal!", "a-wal!"),
        ("a-journal=journal a-wal=log", "a-journal! a-wal!", "a-journal! a-wal!"),
        ("a-shm=zeros a-wal=empty a-journal=zeros", "a-journal a-shm a-wal", "a-journal a-shm a-wal"),
        ("a-wal=text", "a-wal", "a-wal"),
        // A database whose own name is like that.
        ("a-wal=db a-wal-wal=log", "a-wal+", "a-wal!"),
    ] {
        check(Side::Staging, files, staging);
        check(Side::Network, files, network);
    }
}
