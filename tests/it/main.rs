//! The program as its users meet it: the real binary, on real folders.

mod ground;
mod kills;
mod mounts;
mod services;
