"""Where the lease of a session is kept: in a file of this machine, or in a bucket for traders anywhere."""

from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.lease import Lease, SqliteLease


def lease_of(session: SessionParameters, folder: SessionFolder) -> Lease:
    """Return the lease that a session takes.

    Args:
        session: parameters of the session.
        folder: where the session keeps its files.

    Raises:
        LeaseStoreError: there are no credentials for the bucket.
    """
    chosen = session.lease
    if chosen.bucket is None:
        return SqliteLease(folder.lease, chosen.terms())
    # Google's client is installed in the cloud alone, and costs a second.
    from crypto_kedro.cloud.lease import GcsLease

    return GcsLease.at(f"gs://{chosen.bucket}/{chosen.object or f'{folder.name}/lease'}", chosen.terms())
