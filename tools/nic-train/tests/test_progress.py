"""What a run shows and logs: lines off a terminal, metrics every few steps, pictures and facts in TensorBoard."""

import csv
import itertools
import math
from contextlib import suppress

import pytest
from nic_train.checkpoints import SaveEvery
from nic_train.progress import Clock, Window, describe, duration
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def rows_of(run):
    """Return what the metrics of the run's last start hold, without empty fields."""
    file = max(run.glob("metrics/csv/*/metrics.csv"))
    with file.open() as lines:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(lines)]


def test_means_and_speed_are_of_the_steps_since():
    window = Window()
    window.add({"loss": 1.0}, 8, 0.5)
    window.add({"loss": 3.0, "bpp": 4.0}, 8, 1.5)
    assert window.values() == {"loss": 2.0, "bpp": 2.0, "pictures_per_s": 8.0}
    window.clear()
    window.add({"loss": 5.0}, 8, 1.0)
    assert window.values() == {"loss": 5.0, "pictures_per_s": 8.0}


def test_lines_come_soon_and_then_less_often():
    clock = Clock(100.0, 0)
    due = [second for second in range(100, 100 + 24 * 3600) if clock.is_due(second, second - 100)]
    assert due[0] == 105
    gaps = [after - before for before, after in itertools.pairwise(due)]
    assert gaps == sorted(gaps)
    assert (gaps[0], gaps[-1]) == (5, 300)
    assert len([second for second in due if second < 100 + 3600]) < 60


def test_time_left_follows_a_change_of_pace():
    clock = Clock(0.0, 1000)  # of a run that goes on
    assert clock.left(0.0, 1000, 2000) == math.inf
    assert clock.left(10.0, 1010, 2000) == 990
    for second in range(1, 400):  # a step a second, then two: the later half of the time counts
        clock.is_due(second, 1000 + second + max(second - 100, 0))
    assert clock.left(400.0, 1700, 2000) == pytest.approx(150)


def test_a_line_says_what_matters():
    values = {"loss": 1.5, "bpp": 0.25, "psnr": 30.0, "pictures_per_s": 12.34, "lr": 1e-4, "aux_lr": 1.0, "other": 3.0}
    assert describe(values, 8000.0) == "loss 1.5000  0.250 bpp  30.00 dB  12.3 pictures/s  lr 0.0001  2 h 13 min left"
    assert describe({"adversary_loss": 1.0}, math.inf) == "adversary 1.0000"
    seconds = [0.4, 59, 99.7, 5000, 8000, 36_000, 300_000, 1_000_000]
    assert [duration(value) for value in seconds] == [
        *["0 s", "59 s", "2 min", "83 min", "2 h 13 min", "10 h", "83 h", "12 days"]
    ]


def test_metrics_are_written_while_it_trains(tiny_run, tiny_train, monkeypatch, capsys):
    seen = {}
    save = SaveEvery.on_train_batch_end

    def look(self, trainer, loop, *arguments):
        seen[loop.step] = [row["step"] for row in rows_of(tiny_run)]
        save(self, trainer, loop, *arguments)

    monkeypatch.setattr(SaveEvery, "on_train_batch_end", look)
    assert tiny_train("--resume", tiny_run, "--steps", 6, "--log-every", 2, "--val-steps", 3) == 0
    assert seen == {3: [3], 4: [3, 4], 5: [3, 4], 6: [3, 4, 6, 6]}
    line = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("step 6/6"))
    for part in ("loss ", " bpp", " dB", " pictures/s", "lr ", "0 s left"):
        assert part in line


def test_tensorboard_shows_pictures_and_what_tells_runs_apart(tiny_run):
    folder = min(tiny_run.glob("metrics/tensorboard/version_*"))
    board = EventAccumulator(str(folder)).Reload()
    images = board.Images("original and reconstruction")
    assert [(image.step, image.width, image.height) for image in images] == [(2, 128, 128)]
    assert b"psnr" in board.summary_metadata["_hparams_/experiment"].plugin_data.content
    facts = (folder / "hparams.yaml").read_text()
    for fact in ("codec: mini", "crop: 64", "precision: ", "data: pictures", "seed: 0"):
        assert fact in facts


def test_a_log_that_cannot_be_written_is_no_reason_to_stop(tiny_run, tiny_train, monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stderr", full)
        assert tiny_train("--resume", tiny_run, "--steps", 7) == 0
        with suppress(OSError):
            full.close()
    assert rows_of(tiny_run)[-1]["step"] == 7
