// SPDX-License-Identifier: Apache-2.0
//! Comma-separated values (RFC 4180), safe to open in a spreadsheet.

/// One line, without its end. A cell that a spreadsheet would take for a formula gets an apostrophe: names of tools and
/// subjects come from outside.
pub(crate) fn line<'c>(cells: impl IntoIterator<Item = &'c str>) -> String {
    let mut line = String::new();
    for (at, text) in cells.into_iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        cell(&mut line, text);
    }
    line
}

fn cell(line: &mut String, text: &str) {
    let formula = text.starts_with(['=', '+', '@', '\t', '\r'])
        || (text.starts_with('-') && text.parse::<f64>().is_err());
    if !formula && !text.contains([',', '"', '\n', '\r']) {
        return line.push_str(text);
    }
    line.push('"');
    if formula {
        line.push('\'');
    }
    line.push_str(&text.replace('"', "\"\""));
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_formulas_are_not_run() {
        assert_eq!(line(["a", "b c", "-3", ""]), "a,b c,-3,");
        assert_eq!(line(["a,b", "say \"x\"", "=1+1", "-x"]), "\"a,b\",\"say \"\"x\"\"\",\"'=1+1\",\"'-x\"");
    }
}
