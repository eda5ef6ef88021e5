//! The table of filters as a page of documentation, `docs/filters.md`.

use std::fmt::Write;

use super::parameter::Absent;
use super::table::{FILTERS, FilterKind};

/// The page in Markdown. A test compares it with the file.
pub fn page() -> String {
    let mut page = String::from(
        "<!-- Generated: change engine/src/filters/table.rs and the \
         filters' parameters instead. -->\n\n\
         # Filters\n\n\
         Filters of the second standard of the Image Biomarker Standardisation Initiative (IBSI 2, \
         doi:10.1148/radiol.231319); sections are those of its manual. Each `[[filter]]` of the \
         settings gives response maps on the image's grid, which features describe like the image \
         itself, with the map's name in the column.\n\n\
         | key of every filter | | where not given | accepted |\n|---|---|---|---|\n\
         | `name` | name of its maps in columns and files | required | 1 to 64 letters, digits, `.` \
         and `-`; not `original` |\n\
         | `kind` | the kind of filter | required | one of those below |\n\
         | `dimension` | in space, or in each axial slice | `\"3d\"` | `\"3d\"` or `\"2d\"` |\n\
         | `boundary` | how the image goes on beyond its edge: zeros, the edge voxel, the opposite \
         side, or mirrored at the edge voxel's outer face | `\"mirror\"` | `\"zero\"`, \
         `\"nearest\"`, `\"periodic\"` or `\"mirror\"` |\n\n\
         | kind | filter | section |\n|---|---|---|\n",
    );
    for kind in FILTERS {
        let link = kind.title.to_lowercase().replace(' ', "-");
        let FilterKind { key, title, section, .. } = kind;
        let _ = writeln!(page, "| `{key}` | [{title}](#{link}) | {section} |");
    }
    for kind in FILTERS {
        section(&mut page, kind);
    }
    page
}

fn section(page: &mut String, kind: &FilterKind) {
    let _ = write!(page, "\n## {}\n\n{}", kind.title, kind.definition);
    if let Some(doi) = kind.reference {
        let _ = write!(page, " See doi:{doi}.");
    }
    page.push_str("\n\n| key | | unit | where not given | accepted |\n|---|---|---|---|---|\n");
    for p in kind.parameters {
        let absent = match p.absent {
            Absent::Required => "required".to_owned(),
            Absent::Default(value) => format!("`{value}`"),
            Absent::Means(words) => words.to_owned(),
        };
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {absent} | {} |",
            p.key, p.meaning, p.unit, p.accepted
        );
    }
    let _ = write!(page, "\n```toml\n[[filter]]\nname = \"{0}-1\"\nkind = \"{0}\"\n", kind.key);
    if !kind.example.is_empty() {
        let _ = writeln!(page, "{}", kind.example);
    }
    page.push_str("```\n");
}
