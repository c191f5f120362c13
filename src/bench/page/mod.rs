//! The findings as one page to look at: pictures first, then the figures. One file that asks for nothing else: no script, no
//! font, no picture from elsewhere, so that it can be mailed and kept.

mod bars;
mod calls;
mod growth;
mod ratios;

use std::fmt::Write as _;

use super::findings::Findings;
use super::peer::Tool;
use super::table::{bytes, cells, legend, number};

const STYLE: &str = include_str!("style.css");

/// The whole page. `command` is what was typed, `title` what it is of.
pub fn page(findings: &Findings, command: &str, when: &str) -> String {
    let mut html = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>driftless bench</title>\n");
    let _ = writeln!(html, "<style>\n{STYLE}</style>\n</head>\n<body>\n<main>");
    head(&mut html, findings, when);
    tiles(&mut html, findings);
    let several = findings.sizes.len() > 1;
    for size in &findings.sizes {
        let of = if several { format!(", {} files", number(size.files as f64)) } else { String::new() };
        section(&mut html, &format!("How long each took{of}"), "Bars are medians, dots are single readings. Shorter is better.");
        keys(&mut html, findings);
        bars::bars(&mut html, findings, size.files);
        ratios::ratios(&mut html, findings, size.files, &of);
    }
    growth::growth(&mut html, findings);
    calls::calls(&mut html, findings);
    figures(&mut html, findings);
    notes(&mut html, findings, command);
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

fn section(html: &mut String, title: &str, sentence: &str) {
    let _ = writeln!(html, "<h2>{}</h2>\n<p class=\"sub\">{}</p>", escaped(title), escaped(sentence));
}

/// Text that is no markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn head(html: &mut String, findings: &Findings, when: &str) {
    let memory = findings.memory.map_or_else(String::new, |memory| format!(", {} of memory", bytes(memory as f64)));
    let sizes: Vec<String> = findings
        .sizes
        .iter()
        .map(|size| {
            format!(
                "{} files in {} folders ({})",
                number(size.files as f64),
                number(size.folders as f64),
                bytes(size.bytes as f64)
            )
        })
        .collect();
    let sentence = format!(
        "{}. Staging on {}, network root on {}. {}, {} cores{memory}. {when}.",
        sizes.join("; "),
        findings.staging,
        findings.network,
        findings.system,
        findings.cores
    );
    let stopped = if findings.stopped { " It was stopped before its end." } else { "" };
    let _ = writeln!(html, "<h1>driftless bench</h1>\n<p class=\"lead\">{}{stopped}</p>", escaped(&sentence));
}

/// For each peer how many times as fast we were: the geometric mean over what both did.
fn tiles(html: &mut String, findings: &Findings) {
    html.push_str("<div class=\"tiles\">\n");
    for present in findings.tools.iter().filter(|present| present.tool != Tool::Driftless) {
        let rows = findings.rows.iter().filter(|row| row.tool == present.tool);
        let ratios: Vec<f64> = rows.filter_map(|row| findings.ratio(row)).filter(|ratio| *ratio > 0.0).collect();
        if ratios.is_empty() {
            continue;
        }
        let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
        let (figure, word) = if mean <= 1.0 { (1.0 / mean, "as fast as") } else { (mean, "the time of") };
        let over = if ratios.len() == 1 { "in one scenario".to_owned() } else { format!("mean of {} scenarios", ratios.len()) };
        let _ = writeln!(
            html,
            "<div class=\"tile\"><b style=\"color:var(--{name})\">{figure:.1} ×</b><span>{word} {name}, {over}</span></div>",
            name = present.tool.word()
        );
    }
    html.push_str("</div>\n");
}

fn keys(html: &mut String, findings: &Findings) {
    html.push_str("<ul class=\"keys\">");
    // lsyncd has no first sync, cp no second one: who has no figure needs no colour.
    for present in
        findings.tools.iter().filter(|present| findings.rows.iter().any(|row| row.tool == present.tool && row.wall().is_some()))
    {
        let name = present.tool.word();
        let _ = write!(html, "<li><i style=\"background:var(--{name})\"></i>{name}</li>");
    }
    html.push_str("</ul>\n");
}

fn figures(html: &mut String, findings: &Findings) {
    section(html, "All figures", &legend(findings).join(" "));
    html.push_str("<div class=\"card wide\"><table>\n<tr>");
    for name in ["scenario", "tool", "wall", "spread", "CPU", "peak", "written", "calls", "ours/its, wall", "CPU"] {
        let _ = write!(html, "<th>{name}</th>");
    }
    html.push_str("</tr>\n");
    for row in &findings.rows {
        let mut shown = cells(findings, row);
        if findings.sizes.len() > 1 {
            shown[0] = format!("{}, {} files", shown[0], number(row.files as f64));
        }
        let _ = write!(html, "<tr{}>", if row.tool == Tool::Driftless { " class=\"ours\"" } else { "" });
        match &row.failed {
            Some(failed) => {
                let _ = write!(
                    html,
                    "<td>{}</td><td>{}</td><td class=\"why\" colspan=\"8\">{}</td>",
                    shown[0],
                    shown[1],
                    escaped(failed)
                );
            }
            None => shown.iter().for_each(|cell| {
                let _ = write!(html, "<td>{}</td>", escaped(cell));
            }),
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
}

fn notes(html: &mut String, findings: &Findings, command: &str) {
    section(html, "How it was measured", "");
    html.push_str("<ul class=\"notes\">\n");
    let versions = findings.tools.iter().map(|present| {
        let version = present.version.as_deref().unwrap_or("no version told");
        format!("{}: {version}", present.tool.word())
    });
    let own = [
        format!("Typed: {command}"),
        "The tools ran in turn in each round, on the same changes; who began moved by one each round. Each copy was held against \
         the project afterwards (under a watch, each new line was looked for), and a tool that left a difference gave no reading."
            .to_owned(),
        format!("All of it took {:.0} s.", findings.elapsed.as_secs_f64()),
    ];
    for line in own.into_iter().chain(versions).chain(findings.notes.iter().cloned()) {
        let _ = writeln!(html, "<li>{}</li>", escaped(&line));
    }
    let _ = writeln!(html, "</ul>\n<footer>Made by driftless {}.</footer>", env!("CARGO_PKG_VERSION"));
}

#[cfg(test)]
mod tests {
    use super::super::findings::samples;
    use super::*;

    /// Each tag that opens closes, in the order of the nesting; attributes are quoted; text has no bare signs.
    fn well_formed(html: &str) {
        let body = html.strip_prefix("<!DOCTYPE html>\n").expect("a document type");
        let (mut open, mut rest): (Vec<&str>, &str) = (Vec::new(), body);
        while let Some(at) = rest.find('<') {
            assert!(!rest[..at].contains('>') || open.last() == Some(&"style"), "a bare sign: {}", &rest[..at]);
            let end = at + rest[at..].find('>').expect("the end of a tag");
            let tag = &rest[at + 1..end];
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "{}", &rest[..end]),
                None if tag.ends_with('/') => {}
                None => open.push(tag.split_whitespace().next().expect("a name")),
            }
            rest = &rest[end + 1..];
        }
        assert_eq!(open, Vec::<&str>::new());
        for (at, _) in body.match_indices('&') {
            let entity = ["&amp;", "&lt;", "&gt;", "&quot;"].iter().any(|entity| body[at..].starts_with(entity));
            assert!(entity, "{}", &body[at..(at + 20).min(body.len())]);
        }
    }

    #[test]
    fn the_page_is_well_formed_and_asks_for_nothing_else() {
        for one_size in [false, true] {
            let mut found = samples::findings();
            if one_size {
                found.sizes.truncate(1);
                found.rows.truncate(5);
            }
            let html = page(&found, "driftless bench --html \"a & b\"", "2026-11-22");
            well_formed(&html);
            for reference in ["http:", "https:", "src=", "href", "url(", "@import", "<script", "<link", "<img", "xmlns"] {
                assert!(!html.contains(reference), "{reference}");
            }
            assert!(html.contains("&lt;no &amp; room&gt;") && html.contains("&lt;signs&gt;"));
            assert!(!html.contains("NaN") && !html.contains("inf"), "a figure that is none");
            for title in ["How the time grows", "How the memory grows"] {
                assert_eq!(html.contains(title), !one_size);
            }
            assert!(html.contains("prefers-color-scheme: dark"));
        }
    }

    #[test]
    fn a_run_without_readings_is_a_page_too() {
        let html = page(&Findings::default(), "driftless bench", "2026-11-22");
        well_formed(&html);
        assert!(!html.contains("NaN"));
    }
}
