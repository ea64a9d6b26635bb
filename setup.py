from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def version() -> str:
    for line in (ROOT / "sartranslate" / "__init__.py").read_text(encoding="utf-8").splitlines():
        if line.startswith("__version__"):
            return line.split('"')[1]
    raise RuntimeError("sartranslate/__init__.py: no __version__")


setup(
    name="sartranslate",
    version=version(),
    description="Translate SAR scenes to georeferenced RGB GeoTIFFs with a Pix2Pix GAN, and train it",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="the sartranslate contributors",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.14",
    # The folder cli/ is installed as sartranslate.cli, so that the top-level name "cli" stays free.
    packages=[*find_packages(include=["sartranslate", "sartranslate.*"]), "sartranslate.cli"],
    package_dir={"sartranslate.cli": "cli"},
    package_data={"sartranslate": ["py.typed", "models/*"], "sartranslate.compare": ["assets/*"]},
    entry_points={"console_scripts": ["sartranslate = sartranslate.cli:main"]},
    install_requires=[
        "affine>=2.4",
        "click>=8.2",
        "filelock>=3.12",
        "keras>=3.12",
        "numpy>=1.26",
        "platformdirs>=4.0",
        "pyogrio>=0.9",
        "pyproj>=3.6",
        "rasterio>=1.4",
        "safetensors>=0.5",
        "scipy>=1.11.1",
        "shapely>=2.1",
        "tensorboardX>=2.6.1",
        "tensorflow>=2.21",
        "tomlkit>=0.12",
        "tqdm>=4.66",
    ],
    extras_require={
        "onnxruntime": ["onnx>=1.16", "onnxruntime>=1.19"],
        "openvino": ["onnx>=1.16", "openvino>=2024.4"],
        "test": [
            "cryptography>=42",
            "distributed>=2024.8",
            "hypothesis>=6.100",
            "jsonschema>=4.20",
            "moto[server]>=5.0",
            "onnx>=1.16",
            "onnxruntime>=1.19",
            "openvino>=2024.4",
            "playwright>=1.40",
            "psutil>=5.9",
            "pystac>=1.12",
            "pytest>=8.4",
            "pytest-xdist>=3.5",
            "rio-cogeo>=5.3",
            "rio-tiler>=7.9",
            "xarray>=2024.7",
        ],
        "dask": ["cryptography>=42", "distributed>=2024.8"],
        "docs": ["mkdocs>=1.6"],
        "lint": ["mypy>=1.15", "ruff>=0.9"],
        "cuda": ["tensorflow[and-cuda]>=2.21"],
        "torch": ["torch>=2.6"],
        "xarray": ["xarray>=2024.7"],
    },
    classifiers=[
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: GIS",
        "Topic :: Scientific/Engineering :: Image Processing",
        "Typing :: Typed",
    ],
)
