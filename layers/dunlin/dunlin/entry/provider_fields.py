"""A provider's part of `ProvidersSecret`, and what is made of it: its sender, and what its webhook checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dunlin.errors import ConfigurationError

if TYPE_CHECKING:
    from dunlin.adapters.providers import WebhookSecrets
    from dunlin.services.ports import Clock, Sender

__all__ = ["MIN_TOKEN", "ProviderFields", "http_sender", "provider_fields", "webhook_secrets"]

#: Where what is said is not signed, the path's token is all there is.
MIN_TOKEN = 32


@dataclass(frozen=True, slots=True)
class ProviderFields:
    """The texts under a provider's name. In no repr."""

    provider: str
    fields: Mapping[str, object] = field(repr=False)

    def __getitem__(self, name: str) -> str:
        """Raises ConfigurationError, with the field's name, where there is no text."""
        value = self.fields.get(name)
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"PROVIDERS_SECRET: {self.provider}.{name} must be set")
        return value

    def optional(self, name: str, default: str) -> str:
        return self[name] if name in self.fields else default


def provider_fields(document: Mapping[str, object], provider: str) -> ProviderFields:
    """Raises ConfigurationError, with the provider's name, where there is no such part."""
    part = document.get(provider)
    if not isinstance(part, dict):
        raise ConfigurationError(f"PROVIDERS_SECRET: {provider} must be set")
    return ProviderFields(provider, part)


def webhook_secrets(fields: ProviderFields) -> WebhookSecrets:
    """What the provider's webhook is checked with.

    Raises:
        ConfigurationError: a field is missing, the token of a provider that signs nothing of what it says is short,
            or the public address is not HTTPS.
    """
    from dunlin.adapters.providers import WebhookSecrets, provider_of

    provider = provider_of(fields.provider)
    if provider is None:
        raise ConfigurationError(f"PROVIDERS_SECRET: {fields.provider} has no webhook")
    token = fields["webhook_token"]
    if not (provider.signing_field and provider.covers_body) and len(token) < MIN_TOKEN:
        raise ConfigurationError(f"PROVIDERS_SECRET: {fields.provider}.webhook_token: at least {MIN_TOKEN} characters")
    settings = {name: fields[name] for name in provider.settings}
    if "public_url" in settings and urlsplit(settings["public_url"]).scheme != "https":
        raise ConfigurationError(f"PROVIDERS_SECRET: {fields.provider}.public_url: must be https")
    return WebhookSecrets(token, fields[provider.signing_field] if provider.signing_field else "", **settings)


def http_sender(fields: ProviderFields, clock: Clock, read_timeout: float, connect_timeout: float) -> Sender:
    """The sender of a provider that is spoken to over HTTP.

    Raises:
        ConfigurationError: a field is missing or wrong, or nothing can be sent through this provider.
    """
    match fields.provider:
        case "finance_sms":
            from dunlin.adapters.senders.finance_sms import FinanceSmsKey, FinanceSmsSender

            return FinanceSmsSender(
                fields["base_url"],
                FinanceSmsKey(fields["key_id"], fields["secret"]),
                clock,
                read_timeout=read_timeout,
                connect_timeout=connect_timeout,
            )
        case "twilio":
            from dunlin.adapters.senders.twilio import BASE_URL, TwilioKey, TwilioSender

            return TwilioSender(
                fields.optional("base_url", BASE_URL),
                TwilioKey(fields["account_sid"], fields["api_key_sid"], fields["api_key_secret"]),
                webhook_secrets(fields),
                read_timeout=read_timeout,
                connect_timeout=connect_timeout,
            )
        case "alibaba":
            from dunlin.adapters.senders.alibaba import BASE_URL, AlibabaKey, AlibabaSender

            return AlibabaSender(
                fields.optional("base_url", BASE_URL),
                AlibabaKey(fields["access_key_id"], fields["access_key_secret"]),
                clock,
                read_timeout=read_timeout,
                connect_timeout=connect_timeout,
            )
        case "tencent":
            from dunlin.adapters.senders.tencent import BASE_URL, TencentKey, TencentSender

            return TencentSender(
                fields.optional("base_url", BASE_URL),
                TencentKey(fields["secret_id"], fields["secret_key"], fields["sdk_app_id"]),
                clock,
                region=fields.optional("region", "ap-guangzhou"),
                read_timeout=read_timeout,
                connect_timeout=connect_timeout,
            )
        case "wechat":
            from dunlin.adapters.senders.wechat import BASE_URL, WechatKey, WechatSender

            return WechatSender(
                fields.optional("base_url", BASE_URL),
                WechatKey(fields["app_id"], fields["app_secret"]),
                clock,
                read_timeout=read_timeout,
                connect_timeout=connect_timeout,
            )
        case _:
            raise ConfigurationError(f"line.provider: nothing can be sent through {fields.provider}")
