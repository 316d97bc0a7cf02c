"""What a user may set of the archive on object storage."""

from dataclasses import dataclass

from flashmm_backends.ranges import Days, Seconds, Size


@dataclass(frozen=True)
class ArchiveSettings:
    """Sealed files on S3-compatible storage; off until a bucket is named."""

    bucket: str = ""
    """Bucket that takes every sealed file; empty keeps all on the local disk alone."""
    prefix: str = "flashmm"
    """Folder in the bucket; each ledger needs one of its own."""
    endpoint: str = ""
    """Address of the storage, such as http://minio:9000; empty is AWS."""
    region: str = "us-east-1"
    """Region of the bucket."""
    access_key: str = ""
    """Access key; empty takes AWS's own chain: AWS_ACCESS_KEY_ID, ~/.aws/credentials, the machine's role."""
    secret_key: str = ""
    """Its secret."""
    ca_file: str = ""
    """PEM file of the authority that signed the storage's certificate; empty trusts the system's."""
    local_bytes_max: Size = 5 * 2**30
    """Bytes of sealed files that stay on the local disk; beyond it the least recently read leave it once archived."""
    local_days: Days = 7.0
    """How long an archived file that nobody reads stays on the local disk."""
    read_bytes_max: Size = 2 * 2**30
    """Bytes that one query may fetch back; one that needs more is refused."""
    read_s: Seconds = 60.0
    """How long one query may wait for files that are fetched back."""
    retry_s_max: Seconds = 60.0
    """The longest wait between two attempts; it begins with half a second and doubles."""
