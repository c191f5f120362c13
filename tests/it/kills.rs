//! Kills at any instruction, and runs that go on where they stopped.
