"""A service for pictures: upload one, get it at any quality, as PNG, AVIF, JPEG or .nic, whole or in part.

uvicorn --app-dir docs/examples/service --factory service:create
"""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import nic_core as nic
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from nic_core import errors
from nic_core.pictures import image_files
from store import Store
from work import Busy, TooSlow, Workers

FORMATS = {"image/png": "PNG", "image/avif": "AVIF", "image/jpeg": "JPEG", "image/x-nic": "NIC"}
"""What can be asked for by Accept; the first where anything will do."""

STATUS: dict[type[Exception], int] = {
    errors.BadPicture: 422,
    errors.BadOption: 400,
    errors.CodecNotFound: 400,
    errors.WeightsNotFound: 400,
    errors.OutOfMemory: 413,
}


@dataclass(frozen=True)
class Settings:
    """Each may be set by NIC_SERVICE_ and its name in capitals.

    folder: of all files. max_bytes, max_pixels: of an upload. seconds: for one answer. threads: that work on pictures;
    waiting: how many more requests may wait for them. retry: seconds after which to come again, said where none may.
    """

    folder: str = "pictures"
    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    seconds: float = 30.0
    threads: int = os.cpu_count() or 1
    waiting: int = 16
    retry: int = 2

    @classmethod
    def of_environment(cls) -> "Settings":
        """Return them as the environment has them."""
        given = {item.name: os.environ.get(f"NIC_SERVICE_{item.name.upper()}") for item in fields(cls)}
        return cls(**{name: type(getattr(cls, name))(text) for name, text in given.items() if text is not None})


Name = Annotated[str, InPath(pattern="^[0-9a-f]{64}$")]
Quality = Annotated[int, Query(ge=1, le=100)]  # whole numbers: what is made for one is kept
Region = Annotated[str | None, Query(pattern=r"^\d{1,9}(,\d{1,9}){3}$", description="x,y,width,height")]
Scale = Annotated[str, Query(pattern="^1(/[248])?$")]


def create(settings: Settings | None = None) -> FastAPI:
    """Return the application."""
    limits = settings or Settings.of_environment()
    app, store = FastAPI(title="Pictures"), Store(Path(limits.folder))
    workers = Workers(limits.threads, limits.waiting, limits.seconds)

    @app.get("/codecs")
    def codecs() -> list[dict[str, Any]]:
        """List the codecs."""
        return [{"id": spec.id, "summary": spec.summary} for spec in nic.list_codecs()]

    @app.post("/pictures", status_code=201)
    async def upload(request: Request) -> dict[str, Any]:
        """Keep a picture, the body; any format that nic reads."""
        data = await body(request, limits.max_bytes)

        def keep() -> dict[str, Any]:
            picture = image_files.read_bytes(data, "the picture", limits.max_pixels)
            return {"name": store.add(data), "width": picture.width, "height": picture.height}

        return await workers.run(keep)

    @app.get("/pictures/{name}")
    async def get(
        request: Request,
        name: Name,
        quality: Quality = 50,
        codec: str | None = None,
        region: Region = None,
        scale: Scale = "1",
    ) -> Response:
        """Return a picture as a codec keeps it at a quality, in the format that Accept prefers."""
        source, mime = store.path(name), accepted(request.headers.get("accept", "*/*"))
        if source is None:
            raise HTTPException(404, "there is no such picture")
        if mime is None:
            raise HTTPException(406, f"choose one of {', '.join(FORMATS)}")
        if FORMATS[mime] == "NIC" and (region, scale) != (None, "1"):
            raise HTTPException(400, "a .nic file holds the whole picture, so take neither region nor scale")

        def make() -> bytes:
            loaded = nic.load(codec)
            data = store.made(
                f"{name} {loaded.spec.id} {quality}",
                lambda: loaded.encode(image_files.open_rows(source, limits.max_pixels), quality),
            )
            if FORMATS[mime] == "NIC":
                return data
            part = tuple(map(int, region.split(","))) if region else None
            rows = loaded.decode_rows(data, region=part, scale=scale, max_pixels=limits.max_pixels)
            return image_files.encode(rows, FORMATS[mime])

        headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept"}
        return Response(await workers.run(make), media_type=mime, headers=headers)

    @app.exception_handler(nic.NicError)
    async def explain(_: Request, error: nic.NicError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, STATUS.get(type(error), 500))

    @app.exception_handler(Busy)
    async def refuse(_: Request, __: Busy) -> JSONResponse:
        return JSONResponse({"detail": "too much waits"}, 503, {"Retry-After": str(limits.retry)})

    @app.exception_handler(TooSlow)
    async def give_up(_: Request, __: TooSlow) -> JSONResponse:
        return JSONResponse({"detail": f"it took more than {limits.seconds:g} seconds"}, 504)

    return app


async def body(request: Request, most: int) -> bytes:
    """Return what a request brings; 413 as soon as it is more than allowed."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > most:
            raise HTTPException(413, f"a picture may have {most} bytes")
    return bytes(data)


def accepted(header: str) -> str | None:
    """Return which of `FORMATS` an Accept header prefers, None where it takes none of them."""
    best: tuple[float, str] | None = None
    for item in header.split(","):
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        texts = [text for text in parameters if text.startswith("q=")]
        try:
            weight = float(texts[0][2:]) if texts else 1.0
        except ValueError:
            weight = 0.0
        found = next(iter(FORMATS)) if kind in ("*/*", "image/*") else kind
        if found in FORMATS and weight > (best[0] if best else 0.0):
            best = weight, found
    return best[1] if best else None
