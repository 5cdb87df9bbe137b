"""What MkDocs does to our pages: README.md is the first one, and links out of docs/ go to the repository."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# The target of a link or of a picture, in Markdown and in HTML; not of an address or of a place on the same page.
LINK = re.compile(r'(\]\(|(?:src|href)=")(?![a-z]+:|#|/)([^)"#\s]+)')


def on_files(files: Files, config: Any) -> Files:
    """Add README.md, which stands beside docs/, as its first page."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "index.md", content=readme))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point links at pages of the site, or at the repository where they leave docs/.

    Raises:
        PluginError: a link to a file that is not in the repository.
    """
    place = page.file.src_uri
    folder = PurePosixPath() if place == "index.md" else PurePosixPath("docs", place).parent

    def of_site(found: re.Match[str]) -> str:
        before, target = found.groups()
        path = normpath(str(folder / target))
        if path.startswith("..") or not (ROOT / path).exists():
            raise PluginError(f"docs/{place}: link to '{target}', which is not in the repository")
        inside = PurePosixPath(path)
        if files.get_file_from_path(str(PurePosixPath(*inside.parts[1:]))) and inside.parts[0] == "docs":
            if place == "index.md":
                return before + str(PurePosixPath(*inside.parts[1:]))
            return before + target
        kind = "tree" if (ROOT / path).is_dir() else "blob"
        return f"{before}{config.repo_url}/{kind}/main/{path}"

    return LINK.sub(of_site, markdown)
