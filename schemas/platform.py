"""The platforms and channels by their published names, and the key every record of a campaign is filed under."""

from enum import StrEnum


class Platform(StrEnum):
    GOOGLE_ADS = "google_ads"
    META = "meta"
    LINKEDIN = "linkedin"
    TWITTER = "twitter"
    TIKTOK = "tiktok"
    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"


PLATFORMS: tuple[str, ...] = tuple(Platform)


def campaign_key(platform: str, account_id: str, campaign_id: str) -> str:
    """`platform:account_id:campaign_id`, the Kafka key of everything about a campaign."""
    return f"{platform}:{account_id}:{campaign_id}"
