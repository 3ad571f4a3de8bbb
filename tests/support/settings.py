"""The spoor.yaml of the user who tests, in an environment of `./dev shell`, which has a home of its own."""

from pathlib import Path


def patient(more=""):
    """Setting up may take its time: not the machine's speed is tested. `more`: further settings."""
    assert Path("/run/spoor-dev").exists(), "this is somebody's own home"
    directory = Path.home() / ".config" / "spoor"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "spoor.yaml").write_text(f"setup_deadline: 60s\n{more}")
