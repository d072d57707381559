"""The trader's HTTP face: health, figures, a page to watch it, and the two things that may be asked of it."""

from crypto_kedro.serving.face.application import build_face
from crypto_kedro.serving.face.server import serving_face
from crypto_kedro.serving.face.settings import FaceSettings, FaceToken

__all__ = ["FaceSettings", "FaceToken", "build_face", "serving_face"]
