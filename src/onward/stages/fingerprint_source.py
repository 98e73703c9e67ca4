"""Stage fingerprint_source: what the source's files hold, so that ingest runs again when one of them has changed.

DVC can depend only on files that are there, and a source that is not in use need not be there, nor lie in the project.
So this stage runs always (`always_changed` in dvc.yaml) and ingest depends on what it writes: the same files give the
same bytes, and then nothing after it runs.
"""

from onward.artifacts import replacing_directory, write_json
from onward.data.sources.source_files import fingerprint
from onward.layout import Layout
from onward.params import Params
from onward.stages.runner import main


def run(layout: Layout, params: Params) -> str:
    """Write artifacts/source and metrics/source.json."""
    source = params.run.source
    files = fingerprint(source, params.sources.model_dump(), layout.root)
    with replacing_directory(layout.source) as folder:
        write_json(folder / "files.json", files)
    write_json(layout.metric("source"), {"source": source, "files": len(files)})
    return f"{source}: {len(files)} files" if files else f"{source}: no file of its own"


if __name__ == "__main__":
    main("fingerprint_source", run)
