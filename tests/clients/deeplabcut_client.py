"""What pandas and PyTables make of our DeepLabCut files: ``deeplabcut_client.py DATA_DIR``.

DeepLabCut reads its labels with ``pandas.read_hdf`` and uses the frame by position and by level.
Each HDF5 file below DATA_DIR has to give the frame that the CSV beside it gives, in the types and
with the index that pandas makes when it writes that frame itself.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import pandas as pd

KEY = "df_with_missing"
LEVELS = (["scorer", "bodyparts", "coords"], ["scorer", "individuals", "bodyparts", "coords"])


def from_csv(path: Path) -> pd.DataFrame:
    """Read a CSV as DeepLabCut's own conversion does: the header says how many index columns."""
    rows = [line.split(",") for line in path.read_text().splitlines()[:4]]
    names = [row[0] for row in rows]
    levels = names.index("coords") + 1
    index = list(range(1 + sum(not cell for cell in rows[0][1:])))
    frame = pd.read_csv(path, header=list(range(levels)), float_precision="round_trip")
    # Not by index_col: pandas takes an empty first row for the names of the index.
    labels = frame.iloc[:, index]
    values = frame.iloc[:, len(index) :].astype(float)
    if len(index) > 1:
        values.index = pd.MultiIndex.from_frame(labels, names=[None] * len(index))
    else:
        values.index = pd.Index(labels.iloc[:, 0].to_numpy(), name=None)
    values.columns = values.columns.set_names(names[:levels])
    return values


def check(path: Path, folder: Path) -> str:
    """Compare one file with the CSV beside it, and with what pandas writes of the same frame."""
    frame = pd.read_hdf(path)
    pd.testing.assert_frame_equal(frame, pd.read_hdf(path, KEY))
    assert list(frame.columns.names) in LEVELS, frame.columns.names
    assert set(frame.dtypes.astype(str)) <= {"float64"}, frame.dtypes
    assert len(frame.columns.levels[0]) == 1, "one scorer"
    if "CollectedData_" in path.name:
        assert frame.columns.levels[0][0] == path.stem.removeprefix("CollectedData_")
    own = folder / "own.h5"
    frame.to_hdf(own, key=KEY, mode="w")
    again = pd.read_hdf(own)
    pd.testing.assert_frame_equal(again, frame, check_exact=True)
    for one, other in zip(again.columns.levels, frame.columns.levels, strict=True):
        assert one.equals(other), "levels as pandas sorts them"
    csv = path.with_suffix(".csv")
    if not csv.is_file():
        return "read"
    pd.testing.assert_frame_equal(
        frame, from_csv(csv), check_exact=True, check_index_type="equiv", check_column_type=False
    )
    return "read, and equal to the CSV"


def main() -> int:
    """Check all files; print one line for each."""
    warnings.simplefilter("ignore")
    files = sorted(Path(sys.argv[1]).rglob("*.h5"))
    found = [file for file in files if looks_like_ours(file)]
    with tempfile.TemporaryDirectory() as folder:
        for file in found:
            sys.stdout.write(f"{file}: {check(file, Path(folder))}\n")
    sys.stdout.write(f"deeplabcut: {len(found)} HDF5 files, pandas {pd.__version__}\n")
    return 0 if found else 1


def looks_like_ours(path: Path) -> bool:
    """Tell whether a file has a table under DeepLabCut's key; other HDF5 may be there too."""
    try:
        with pd.HDFStore(path, "r") as store:
            return f"/{KEY}" in store
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    sys.exit(main())
