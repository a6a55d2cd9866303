//! The page: one file that needs no other.

use std::io;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::figures::Section;
use crate::plots;

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 { font-size: 1.6rem } h2 { font-size: 1.25rem; margin-top: 2.4rem; border-bottom: 1px solid #ddd }
table { border-collapse: collapse; margin: .8rem 0 } td { padding: .15rem 1.2rem .15rem 0; vertical-align: top }
td.value { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
tr:nth-child(even) { background: #f6f6f6 } figure { margin: 1rem 0; overflow-x: auto } svg { max-width: 100%; height: auto }
";

pub(crate) fn render(circumstances: &[(&str, String)], sections: &[Section]) -> io::Result<String> {
    let mut drawn = Vec::new();
    for section in sections {
        drawn.push(section.plots.iter().map(plots::draw).collect::<io::Result<Vec<_>>>()?);
    }
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "libha: figures" } style { (PreEscaped(STYLE)) } }
            body {
                h1 { "libha: figures" }
                p { "Compare figures of one page only, and ratios rather than times." }
                table { @for (name, value) in circumstances { tr { td { (name) } td { (value) } } } }
                @for (section, plots) in sections.iter().zip(&drawn) { (part(section, plots)) }
            }
        }
    };
    Ok(page.into_string())
}

fn part(section: &Section, plots: &[String]) -> Markup {
    html! {
        h2 { (section.title) }
        p { (section.about) }
        @for plot in plots { figure { (PreEscaped(plot)) } }
        table {
            @for figure in &section.figures {
                tr { td { (figure.name) } td.value { (figure.shown()) } }
            }
        }
    }
}
