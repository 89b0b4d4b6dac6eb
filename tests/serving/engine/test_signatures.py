"""Signed with OpenSSF's own command, checked before ONNX Runtime or we read a byte of the file."""

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from model_signing import signing

from models.errors import InvalidModelError, ModelError, SettingsError
from models.extras import how_to_install
from serving.engine.onnx_model import OnnxModel
from serving.engine.signatures import Signatures
from serving.settings import Settings
from serving.versions.registry import Registry


def pair(folder: Path, name: str, curve: ec.EllipticCurve) -> tuple[Path, Path]:
    """Writes a private and a public key."""
    key = ec.generate_private_key(curve)
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def sign(model: Path, private: Path) -> None:
    """As ``model_signing sign key`` does; tests/contract/test_docs.py runs that."""
    signing.Config().use_elliptic_key_signer(private_key=private).sign(model, model.with_name("model.onnx.sig"))


@pytest.fixture
def keys(tmp_path) -> tuple[Path, Path]:
    return pair(tmp_path, "ours", ec.SECP256R1())


@pytest.fixture
def root(zoo, tmp_path) -> Path:
    return zoo.publish(tmp_path / "models", zoo.orientation(), zoo.selfie())


def selfie(root: Path) -> Path:
    [path] = root.glob("selfie/*/model.onnx")
    return path


@pytest.fixture
def model(root, keys) -> Path:
    path = root / "orientation/1/model.onnx"
    sign(path, keys[0])
    return path


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_a_signed_model_is_loaded(root, tmp_path, curve):
    private, public = pair(tmp_path, "ours", curve)
    sign(path := root / "orientation/1/model.onnx", private)
    OnnxModel(path, "cpu", signatures=Signatures(public)).prove()


def test_what_is_not_signed_is_refused(model, keys, root):
    with pytest.raises(InvalidModelError, match=r"^selfie/\d/model.onnx has no signature model.onnx.sig beside it$"):
        OnnxModel(selfie(root), "cpu", signatures=Signatures(keys[1]))


@pytest.mark.parametrize("tamper", ["file", "other key", "other model", "garbage", "empty", "signature", "payload"])
def test_a_tampered_file_is_refused(zoo, model, keys, tmp_path, tamper):
    signature, public = model.with_name("model.onnx.sig"), keys[1]
    if tamper == "file":
        model.write_bytes(zoo.orientation(description="changed"))
    elif tamper == "other key":
        public = pair(tmp_path, "theirs", ec.SECP256R1())[1]
    elif tamper == "other model":
        sign(other := selfie(model.parents[2]), keys[0])
        signature.write_bytes(other.with_name("model.onnx.sig").read_bytes())
    else:
        text = signature.read_text()
        kept = (
            text.replace('"payload":"e', '"payload":"f')
            if tamper == "payload"
            else text.replace('"sig":"M', '"sig":"N')
        )
        signature.write_text({"garbage": "{}", "empty": ""}.get(tamper, kept))
    with pytest.raises(InvalidModelError, match=r"^orientation/1/model.onnx is not what model.onnx.sig was made of"):
        OnnxModel(model, "cpu", signatures=Signatures(public))


def test_the_bytes_that_were_read_count(model, keys):
    """Not those that lie there when the signature is looked at: somebody may have put the right file back."""
    with pytest.raises(InvalidModelError, match="is not what"):
        Signatures(keys[1]).check(model, model.read_bytes() + b"more")


def test_a_server_with_a_key_loads_signed_models_only(model, keys, root):
    registry = Registry(Settings(models=root, threads=1, model_public_key=keys[1]))
    with pytest.raises(ModelError, match=r"selfie/\d/model.onnx has no signature"):
        registry.start()
    registry.close()
    sign(selfie(root), keys[0])
    registry = Registry(Settings(models=root, threads=1, model_public_key=keys[1]))
    registry.start()
    assert set(registry.models) == {"orientation", "selfie"}
    registry.close()


def test_a_key_that_is_none_is_one_sentence(tmp_path):
    absent, wrong, other = tmp_path / "absent", tmp_path / "wrong", tmp_path / "rsa"
    wrong.write_text("not a key")
    key = rsa.generate_private_key(65537, 2048).public_key()
    other.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for path, why in ((absent, "No such file or directory"), (wrong, "elliptic curve"), (other, "elliptic curve")):
        with pytest.raises(SettingsError, match=f"^the public key {path} of LOUPE_MODEL_PUBLIC_KEY .*{why}"):
            Signatures(path)


def test_without_the_extra_it_is_one_sentence():
    script = """
import sys
sys.modules["model_signing"] = None
from pathlib import Path
from models.errors import SettingsError
from serving.engine.signatures import Signatures
try:
    Signatures(Path("key.pub"))
except SettingsError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"LOUPE_MODEL_PUBLIC_KEY needs the extra `signing`: {how_to_install('signing')}\n"
