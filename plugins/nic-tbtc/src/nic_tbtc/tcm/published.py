"""The checkpoints that the authors of TCM publish (jmliu206/LIC_TCM); imports nothing heavy."""

from collections.abc import Iterator

from nic_core.spec import CheckpointSpec

FILES = {
    (128, 0.05): "1TK-CPiD2QwtWJqZoT_OyCtnxdQ7UNP56",
    (64, 0.05): "1Quz6_jGJyaG6LMUbT4JuOhhQWxJN26Kh",
    (64, 0.025): "1rc4E2Rke1Jd8UnLq73NaXbfAdcBGGPKg",
    (64, 0.013): "1UbfQFsrr-Z6SrvZvpX4p1QPta5FCORZ5",
    (64, 0.0067): "17THA1IiPStSO6jG4h5clwkw0ySzgLZID",
    (64, 0.0035): "1x2rfIQAv8RsjM3zEByDdOZJtEcPU5XZT",
    (64, 0.0025): "1zpkW_MCkUWl8nRUlza0L7Fk7dXlXciZd",
}
"""Files on Google Drive by width N and lambda; all are trained for squared error."""


def checkpoints() -> Iterator[CheckpointSpec]:
    """Yield the records. The wide model is the best at the highest rate, and so the last rung of the ladder."""
    for (width, lmbda), file in FILES.items():
        yield CheckpointSpec(
            "tcm",
            f"tcm-{lmbda:g}" if width == 64 else f"tcm-{width}-{lmbda:g}",
            f"https://drive.google.com/file/d/{file}",
            lmbda,
            quality=None if width == 64 else 100,
            licence="MIT",
            page="https://github.com/jmliu206/LIC_TCM",
            summary=f"N = {width}",
        )
