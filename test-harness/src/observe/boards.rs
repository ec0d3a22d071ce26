//! The queries of dashboards and rules.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::paths;

/// One query, and where it stands.
#[derive(Clone, Debug)]
pub struct Query {
    /// Board and panel, or group and rule.
    pub place: String,
    /// The query, with its variables filled in.
    pub text: String,
}

fn files(folder: &Path, ending: &str) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == ending) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            found.push((name, fs::read_to_string(&path)?));
        }
    }
    found.sort();
    Ok(found)
}

/// The boards of `dashboards/`, by name.
///
/// # Errors
/// If one is not JSON.
pub fn boards() -> Result<Vec<(String, Value)>> {
    let files = files(&paths::repository().join("dashboards"), "json")?;
    files
        .into_iter()
        .map(|(name, text)| {
            let board = serde_json::from_str(&text).with_context(|| format!("dashboards/{name}.json"))?;
            Ok((name, board))
        })
        .collect()
}

/// Every query of every panel, for all proxies, servers and tools, over `window`.
///
/// # Errors
/// If a board cannot be read.
pub fn panels(window: &str) -> Result<Vec<Query>> {
    let mut queries = Vec::new();
    for (name, board) in boards()? {
        for panel in board["panels"].as_array().into_iter().flatten() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let text = target["expr"].as_str().unwrap_or_default().replace("$__rate_interval", window);
                let text = ["$server", "$instance", "$tool"]
                    .iter()
                    .fold(text, |text, name| text.replace(name, ".*"));
                queries.push(Query { place: format!("{name}: {}", panel["title"]), text });
            }
        }
    }
    Ok(queries)
}

/// Every expression of the rules in a folder.
///
/// # Errors
/// If one cannot be read.
pub fn rules(folder: &Path) -> Result<Vec<Query>> {
    let mut queries = Vec::new();
    for (name, text) in files(folder, "yml")? {
        let document: Value = serde_norway::from_str(&text).with_context(|| format!("{name}.yml"))?;
        let groups = document["groups"].as_array().cloned().unwrap_or_default();
        for rule in groups.iter().filter_map(|group| group["rules"].as_array()).flatten() {
            let title = rule["alert"].as_str().or_else(|| rule["record"].as_str()).unwrap_or_default();
            let text = rule["expr"].as_str().unwrap_or_default().to_owned();
            queries.push(Query { place: format!("{name}: {title}"), text });
        }
    }
    Ok(queries)
}
