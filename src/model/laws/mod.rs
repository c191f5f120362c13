//! What the model must do, said apart from how it does it.
//!
//! [`trees`] builds worlds from a line of text and emits what a scan would; [`carry`] carries plans out on them;
//! [`table`] holds named cases; [`reference`] decides the same things naively; [`properties`] states the laws and
//! tries them on perturbed trees. Nothing here reads `reconcile`'s code: where they disagree, `docs/semantics.md`
//! decides who is wrong.

mod carry;
mod properties;
mod reference;
mod render;
mod table;
mod table_folders;
mod table_rulings;
mod table_sent;
mod trees;
