package core

// DefaultStripes is the number of stripes a new store is cut into. The number in force stands in the store's
// first record and is the same for all pods for ever.
const DefaultStripes = 64

// StripeOf returns the stripe of a key, 0 to n-1. It is part of the stored format: FNV-1a of the key, mixed,
// modulo n.
func StripeOf(key string, n int) int {
	return int(hashString(key) % uint64(n)) //nolint:gosec // n is 1 to 4096
}

// hashString is FNV-1a with a final mix, so that keys which differ in their last byte only spread as well. It is
// the same for ever: stripes and the deal depend on it.
func hashString(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

// mix spreads the entropy of x over all bits (the finaliser of MurmurHash3).
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
