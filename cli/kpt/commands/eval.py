"""``kpt eval``: predictions, or a model's, against ground truth, with an account."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from kptdata import PoseDataset
    from kptdata.metrics import Evaluation


CHECKPOINTS = (".ckpt", ".pt", ".pth")
"""Suffixes by which a first argument is a model and not a file of annotations."""
ORIGINAL_MAX_DETS = 20
"""Predictions per image that COCO's own evaluators rank; their summary knows no other number."""


@click.command("eval")
@click.argument("gt")
@click.argument("pred")
@click.option(
    "--metric",
    "metrics",
    metavar="M",
    multiple=True,
    help="oks (default), crowdpose, wholebody, pck@0.2[torso], pckh, jhmdb, auc@30, epe, "
    "nme[interocular], mpjpe, pa-mpjpe, n-mpjpe; may be given several times.",
)
@click.option("--schema", metavar="S", help="Keypoint schema of GT, if the file does not name it.")
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Images for a checkpoint; by default the folder of the annotations.",
)
@click.option("--gt-format", metavar="F", help="Format of GT; sniffed by default.")
@click.option("--pred-format", metavar="F", help="Format of PRED; sniffed by default.")
@click.option(
    "--sigmas", metavar="S", help="uniform:0.05 or borrow:<schema>; the schema's by default."
)
@click.option(
    "--area",
    metavar="A",
    default="annotation",
    show_default=True,
    help="Area of a ground truth: annotation, mask, box053 (0.53 of the box), box or hull.",
)
@click.option(
    "--details",
    multiple=True,
    type=click.Choice(["keypoint", "category", "size"]),
    help="Also AP per keypoint, category or size.",
)
@click.option(
    "--score-mode",
    metavar="MODE",
    help="bbox (as given; the default), keypoint, bbox_keypoint or bbox_rle.",
)
@click.option(
    "--keypoint-threshold",
    default=0.2,
    show_default=True,
    help="Least keypoint score that counts in bbox_keypoint.",
)
@click.option("--nms", metavar="MODE", help="oks_nms, soft_oks_nms or none (the default).")
@click.option(
    "--nms-threshold",
    default=0.9,
    show_default=True,
    help="Highest OKS of two predictions that stay.",
)
@click.option(
    "--mmpose",
    is_flag=True,
    help="Score and suppress as MMPose's COCO metric does: bbox_keypoint, oks_nms at 0.9.",
)
@click.option(
    "--max-dets",
    default=ORIGINAL_MAX_DETS,
    show_default=True,
    help="Predictions per image that are ranked.",
)
@click.option(
    "--row-aligned", is_flag=True, help="Row i of PRED is for row i of GT (metrics of points)."
)
@click.option(
    "--skip-unknown-images",
    is_flag=True,
    help="Leave out predictions on images that GT does not list.",
)
@click.option("--reference", is_flag=True, help="Do as pycocotools does wherever kpt does better.")
@click.option(
    "--boxes",
    metavar="FILE",
    help="With a checkpoint: predict in a detector's boxes, not in those of GT.",
)
@click.option(
    "--box-score",
    type=float,
    default=0.0,
    metavar="S",
    help="Leave out detected boxes of a lower score.",
)
@click.option(
    "--box-nms", type=float, default=1.0, metavar="IOU",
    help="Leave out detected boxes that overlap more with a better one.",
)  # fmt: skip
@click.option("--backend", metavar="B", help="Let pycocotools or xtcocotools evaluate (oks only).")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON on stdout.")
@click.option(
    "--csv",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the figures as CSV; - for stdout.",
)
def command(
    gt: str, pred: str, metrics: tuple[str, ...], as_json: bool, csv: Path | None, **options: Any
) -> None:
    """Compare predictions with ground truth: AP, PCK, EPE, NME, MPJPE.

    GT and PRED are files of any readable format, optionally with their format in front. Images are
    matched by id or file name, rows by the id that a prediction answers or by OKS. What was counted
    and ignored and decided is printed with the figures; -1 of other tools is n/a here.

    kpt eval CHECKPOINT GT predicts first, in the boxes of GT, and then scores and suppresses as
    with --mmpose, unless --score-mode or --nms say otherwise.
    """
    from kpt._options import echo_json

    found = _evaluate(gt, pred, metrics or ("oks",), **options)
    if csv is not None:
        _write_csv(found, csv)
    if as_json:
        echo_json({"gt": gt, "pred": pred} | found.to_dict())
    elif csv is None or str(csv) != "-":
        click.echo(found.table())


class Detector(NamedTuple):
    """A file of boxes, and which of them count."""

    boxes: str
    score: float
    nms: float


def _evaluate(
    gt: str,
    pred: str,
    metrics: tuple[str, ...],
    *,
    schema: str | None,
    images: Path | None,
    gt_format: str | None,
    pred_format: str | None,
    score_mode: str | None,
    keypoint_threshold: float,
    nms: str | None,
    nms_threshold: float,
    mmpose: bool,
    backend: str | None,
    details: tuple[str, ...],
    max_dets: int,
    row_aligned: bool,
    reference: bool,
    boxes: str | None,
    box_score: float,
    box_nms: float,
    **shared: Any,
) -> Evaluation:
    import kptdata as kd

    if backend is not None:
        _refuse_beside_backend(metrics, details, max_dets, row_aligned=row_aligned)
    if Path(gt).suffix in CHECKPOINTS:
        place = gt_format or pred_format
        detector = None if boxes is None else Detector(boxes, box_score, box_nms)
        truth, predictions = _predict(Path(gt), pred, schema, place, images, detector)
        mmpose = True
    elif boxes is not None:
        raise click.UsageError("--boxes goes with a checkpoint, which looks into them")
    else:
        truth, predictions = _read_both(gt, pred, schema, gt_format, pred_format)
    usual = kd.metrics.Scoring.mmpose() if mmpose else kd.metrics.Scoring()
    scoring = kd.metrics.Scoring(
        score_mode or usual.mode, keypoint_threshold, nms or usual.nms, nms_threshold
    )
    if backend is not None:
        return kd.evaluators.evaluate_with(backend, truth, predictions, scoring=scoring, **shared)
    return kd.metrics.evaluate(
        truth,
        predictions,
        metrics,
        scoring=scoring,
        details=details,
        max_dets=max_dets,
        row_aligned=row_aligned,
        reference=reference,
        **shared,
    )


def _refuse_beside_backend(
    metrics: tuple[str, ...], details: tuple[str, ...], max_dets: int, *, row_aligned: bool
) -> None:
    """What the originals cannot do is not left out in silence."""
    if metrics != ("oks",):
        raise click.UsageError("--backend evaluates --metric oks alone")
    asked = {
        "--details": bool(details),
        "--max-dets": max_dets != ORIGINAL_MAX_DETS,
        "--row-aligned": row_aligned,
    }
    without = [name for name, given in asked.items() if given]
    if without:
        raise click.UsageError(f"--backend has no {', '.join(without)}: leave one of them out")


def _read_both(
    gt: str, pred: str, schema: str | None, gt_format: str | None, pred_format: str | None
) -> tuple[PoseDataset, PoseDataset]:
    import kptdata as kd
    from kpt._options import parse_location

    source, target = parse_location(gt, gt_format), parse_location(pred, pred_format)
    truth = kd.read(source.path, format=source.format, schema=schema)
    name = target.format or kd.formats.sniff(target.path)
    # A list of results names no keypoints: they are those of the ground truth.
    given = truth.schema if name == "coco_results" else None
    return truth, kd.read(target.path, format=name, schema=given)


def _predict(
    checkpoint: Path,
    data: str,
    schema: str | None,
    data_format: str | None,
    images: Path | None,
    detector: Detector | None,
) -> tuple[PoseDataset, PoseDataset]:
    """Read the ground truth, and predict in the boxes of those who count, or in a detector's."""
    import numpy as np

    import kptdata as kd
    from kpt._detected import detected
    from kpt._options import parse_location
    from kpt._progress import progress
    from kptdata_models import load

    source = parse_location(data, data_format)
    truth = kd.read(source.path, format=source.format, schema=schema)
    if detector is not None:
        people = detected(
            truth, detector.boxes, None, score_threshold=detector.score, nms=detector.nms
        )
    else:
        boxed = (truth.column("bbox")[:, 2:] > 0).all(axis=1) & (truth.image >= 0)
        people = truth[boxed & (truth.column("iscrowd") != 1) & truth.labelled.any(axis=1)]
        if len(truth) and not len(people):
            raise kd.OptionError(
                f"{data}: none of {len(truth)} instances has a box to look into, a listed image "
                "and a labelled keypoint. Fix: --boxes with a detector's file, or make boxes with "
                "kptdata.ops.with_boxes"
            )
        click.echo(f"predicting for {len(people)} of {len(truth)} instances", err=True)
    predictor = load(checkpoint)
    folder = images or source.path.parent
    with progress("predicting", len(people)) as advance:
        found = predictor.predict_dataset(people, folder, on_batch=advance).dataset
    # The score of a box alone; `--score-mode` joins it with those of the keypoints.
    given = people.column("score")
    return truth, found.replace(score=np.where(np.isnan(given), 1.0, given))


def _write_csv(found: Evaluation, path: Path) -> None:
    if str(path) == "-":
        click.echo(found.to_csv(), nl=False)
        return
    from kptdata.formats.base import atomic_write

    atomic_write(path, [found.to_csv().encode()])
