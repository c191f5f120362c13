//! Measures this program and its peers on projects that look real, from outside: each tool is a process, with its roots in
//! folders that are made for it and taken away again.
//!
//! Invariants. Nothing that somebody owns is written to: a given folder is copied first, and a place for roots gets one folder
//! with a marker, beneath which alone things are changed and removed. A tool that fails gives no reading. What cannot be
//! measured here is told as such, never as 0.

pub mod layer;
