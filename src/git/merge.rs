//! Both changes of one path in one version, where they do not touch: by lines, and where that fails and all three versions
//! are JSON, by their keys.

use super::error::Result;
use super::names::Oid;
use super::repository::Repository;
use super::tree::{Change, Mode, Version};
use crate::disk::{checkout, local};
use serde_json::{Map, Value};

/// The merged version, kept as an object; `None` where both touch the same.
pub fn merged(repository: &Repository, ours: &Change, theirs: Option<&Version>) -> Result<Option<Version>> {
    let (Some(before), Some(mine), Some(theirs)) = (&ours.before, &ours.after, theirs) else { return Ok(None) };
    if [before, mine, theirs].iter().any(|version| !matches!(version.mode, Mode::File | Mode::Executable)) {
        return Ok(None);
    }
    let read = |version: &Version| repository.git.call(&["cat-file", "blob", version.oid.as_str()]).ok();
    let (before, mine_bytes, theirs_bytes) = (read(before)?, read(mine)?, read(theirs)?);
    let merged = match by_lines(repository, &mine_bytes, &before, &theirs_bytes)? {
        // Lines that do not touch can still be no JSON together.
        Some(merged) if !is_json(&mine_bytes) || is_json(&merged) => Some(merged),
        _ => by_keys(&before, &mine_bytes, &theirs_bytes),
    };
    let Some(merged) = merged else { return Ok(None) };
    let stdout = repository.git.call(&["hash-object", "-w", "--stdin"]).input(merged).ok()?;
    Ok(Some(Version { mode: mine.mode, oid: Oid::of("hash-object", &stdout)? }))
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

fn by_lines(repository: &Repository, mine: &[u8], before: &[u8], theirs: &[u8]) -> Result<Option<Vec<u8>>> {
    let folder = local::Scratch::below(&repository.own_folder()?.join("merging"))?;
    let at = |name: &str| folder.path().join(name);
    for (name, bytes) in [("mine", mine), ("before", before), ("theirs", theirs)] {
        checkout::write(&at(name), bytes, false)?;
    }
    let call = repository.git.call(&["merge-file", "-p", "-q"]).args([at("mine"), at("before"), at("theirs")]);
    let output = call.run()?;
    // The number of conflicts, or an error (what is no text, for one). One that was killed says nothing of either.
    if output.was_killed() {
        return Err(output.error("merge-file"));
    }
    Ok((output.code == 0).then_some(output.stdout))
}

fn by_keys(before: &[u8], mine: &[u8], theirs: &[u8]) -> Option<Vec<u8>> {
    let parse = |bytes| serde_json::from_slice::<Value>(bytes).ok();
    let merged = three_way(&parse(before)?, &parse(mine)?, &parse(theirs)?)?;
    let pretty = mine.iter().filter(|byte| **byte == b'\n').count() > 1;
    let mut bytes = if pretty { serde_json::to_vec_pretty(&merged) } else { serde_json::to_vec(&merged) }.ok()?;
    if mine.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    Some(bytes)
}

/// Key by key; anything but objects is one value.
fn three_way(before: &Value, mine: &Value, theirs: &Value) -> Option<Value> {
    if mine == theirs || theirs == before {
        return Some(mine.clone());
    }
    if mine == before {
        return Some(theirs.clone());
    }
    let (Value::Object(before), Value::Object(mine), Value::Object(theirs)) = (before, mine, theirs) else { return None };
    let mut merged = Map::new();
    for key in mine.keys().chain(theirs.keys().filter(|key| !mine.contains_key(*key))) {
        let value = match (before.get(key), mine.get(key), theirs.get(key)) {
            (Some(before), Some(mine), Some(theirs)) => Some(three_way(before, mine, theirs)?),
            (None, Some(mine), Some(theirs)) => Some(if mine == theirs { mine.clone() } else { return None }),
            (None, Some(one), None) | (None, None, Some(one)) => Some(one.clone()),
            // One side removed it, the other left it alone.
            (Some(before), Some(one), None) | (Some(before), None, Some(one)) if one == before => None,
            _ => return None,
        };
        if let Some(value) = value {
            merged.insert(key.clone(), value);
        }
    }
    Some(Value::Object(merged))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_merged_and_the_same_key_is_not() {
        for (before, mine, theirs, expected) in [
            (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, r#"{"a":1,"c":3}"#, Some(r#"{"a":1,"b":2,"c":3}"#)),
            (r#"{"a":1,"b":1}"#, r#"{"a":2,"b":1}"#, r#"{"a":1,"b":2}"#, Some(r#"{"a":2,"b":2}"#)),
            (r#"{"a":{"x":1,"y":1}}"#, r#"{"a":{"x":2,"y":1}}"#, r#"{"a":{"x":1,"y":2}}"#, Some(r#"{"a":{"x":2,"y":2}}"#)),
            (r#"{"a":1,"b":1}"#, r#"{"b":1}"#, r#"{"a":1,"b":2}"#, Some(r#"{"b":2}"#)),
            (r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#, None),
            (r#"{"a":1}"#, r#"{}"#, r#"{"a":3}"#, None),
            (r#"{}"#, r#"{"a":2}"#, r#"{"a":3}"#, None),
            (r#"[1]"#, r#"[1,2]"#, r#"[1,3]"#, None),
            (r#"{"a":1}"#, r#"no json"#, r#"{"a":1}"#, None),
        ] {
            let merged = by_keys(before.as_bytes(), mine.as_bytes(), theirs.as_bytes());
            assert_eq!(merged.map(|bytes| String::from_utf8(bytes).expect("text")).as_deref(), expected, "{mine} {theirs}");
        }
    }

    #[test]
    fn the_look_of_ours_is_kept() {
        let merged = by_keys(b"{}", b"{\n  \"a\": 1\n}\n", b"{\"b\":2}").expect("merged");
        assert_eq!(merged, b"{\n  \"a\": 1,\n  \"b\": 2\n}\n");
    }
}
