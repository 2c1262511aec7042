"""What a notebook, Studio space or other app of SageMaker knows of itself: its region and its execution role."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from launcher.errors import AwsError

PLACE = Path("/opt/ml/metadata/resource-metadata.json")


@dataclass(frozen=True)
class Metadata:
    """``inside`` is whether this machine is SageMaker's at all; what it does not tell is None."""

    inside: bool = False
    region: str | None = None
    role: str | None = None

    @classmethod
    def read(cls, place: Path = PLACE) -> Metadata:
        """From the file that SageMaker writes. Raises AwsError when it is damaged."""
        try:
            document = json.loads(place.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError) as exc:
            raise AwsError(
                f"{place}, which says where in SageMaker this is, cannot be read ({exc}); give --region and --role."
            ) from exc
        # arn:aws:sagemaker:REGION:ACCOUNT:app/…
        parts = str(document.get("ResourceArn", "")).split(":")
        return cls(
            inside=True, region=parts[3] if len(parts) > 3 else None, role=document.get("ExecutionRoleArn") or None
        )
