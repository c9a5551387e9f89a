//! Envoy's own filter `local_ratelimit`: token buckets in the proxy, for everybody together or per customer.

/// The filter in a filter chain.
#[derive(Clone, Debug)]
pub struct LocalLimit {
    /// The bucket of everybody who has none of their own.
    pub others: TokenBucket,
    /// Customers (the header `x-customer`) with a bucket of their own.
    pub customers: Vec<(String, TokenBucket)>,
}

/// A bucket that is full at first and is refilled continuously.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    /// Tokens per second.
    pub rate_per_s: u32,
    /// The most that it holds.
    pub burst: u32,
}

impl LocalLimit {
    pub(super) fn to_yaml(&self, stat_prefix: &str) -> String {
        let mut yaml =
            FILTER.replace("STAT_PREFIX", stat_prefix).replace("TOKEN_BUCKET", &self.others.to_yaml());
        if !self.customers.is_empty() {
            yaml += DESCRIPTORS;
        }
        for (customer, bucket) in &self.customers {
            yaml += &DESCRIPTOR.replace("CUSTOMER", customer).replace("TOKEN_BUCKET", &bucket.to_yaml());
        }
        yaml
    }
}

impl TokenBucket {
    fn to_yaml(self) -> String {
        let Self { rate_per_s, burst } = self;
        format!("{{ max_tokens: {burst}, tokens_per_fill: {rate_per_s}, fill_interval: 1s }}")
    }
}

const FILTER: &str = "          - name: envoy.filters.http.local_ratelimit
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: STAT_PREFIX
              token_bucket: TOKEN_BUCKET
              always_consume_default_token_bucket: false
              filter_enabled: { default_value: { numerator: 100 } }
              filter_enforced: { default_value: { numerator: 100 } }
";

const DESCRIPTORS: &str = "              rate_limits:
              - actions: [ { request_headers: { header_name: x-customer, descriptor_key: customer } } ]
              descriptors:
";

const DESCRIPTOR: &str = "              - entries: [ { key: customer, value: CUSTOMER } ]
                token_bucket: TOKEN_BUCKET
";
