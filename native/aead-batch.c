// ChaCha20-Poly1305 over a run of WireGuard data messages, in place, one call a run. The messages stand `stride` bytes
// apart in `arena` from `offset`; only the last may be shorter:
//
//     | type, receiver index 8 | counter u64 LE | plaintext or ciphertext | tag 16 |
//
// Compiled to a plain shared library without linking OpenSSL: the node binary exports these EVP functions, and the
// dynamic linker finds them there. They are declared here, so that no header is needed either. Their signatures have
// been part of OpenSSL's stable interface since 3.0, which every Node from 18 on carries.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX;
typedef struct evp_cipher_st EVP_CIPHER;
typedef struct engine_st ENGINE;
typedef struct {
  const char *key;
  unsigned int type;
  void *data;
  size_t data_bytes;
  size_t return_bytes;
} OSSL_PARAM;

EVP_CIPHER_CTX *EVP_CIPHER_CTX_new(void);
void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX *context);
const EVP_CIPHER *EVP_chacha20_poly1305(void);
int EVP_CipherInit_ex(EVP_CIPHER_CTX *context, const EVP_CIPHER *cipher, ENGINE *engine, const unsigned char *key,
                      const unsigned char *iv, int encrypt);
int EVP_CipherUpdate(EVP_CIPHER_CTX *context, unsigned char *out, int *out_bytes, const unsigned char *in, int in_bytes);
int EVP_CipherFinal_ex(EVP_CIPHER_CTX *context, unsigned char *out, int *out_bytes);
int EVP_CIPHER_CTX_get_params(EVP_CIPHER_CTX *context, OSSL_PARAM *params);
int EVP_CIPHER_CTX_set_params(EVP_CIPHER_CTX *context, const OSSL_PARAM *params);

enum { HEADER_BYTES = 16, COUNTER_OFFSET = 8, TAG_BYTES = 16, OVERHEAD_BYTES = 32, NONCE_BYTES = 12, COUNTER_BYTES = 8 };
enum { PARAM_OCTET_STRING = 5 };
enum { ERROR_BOUNDS = -1, ERROR_CIPHER = -2 };

// Raised with every change of a signature below: a library of another age is refused by the loader.
int aead_batch_version(void) { return 1; }

EVP_CIPHER_CTX *aead_context_new(const uint8_t *key, int encrypt) {
  const uint8_t nonce[NONCE_BYTES] = {0};
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  if (context && EVP_CipherInit_ex(context, EVP_chacha20_poly1305(), NULL, key, nonce, encrypt) == 1) return context;
  EVP_CIPHER_CTX_free(context);
  return NULL;
}

// OpenSSL wipes the key schedule with it.
void aead_context_free(EVP_CIPHER_CTX *context) { EVP_CIPHER_CTX_free(context); }

// The tag as OpenSSL's parameter. EVP_CIPHER_CTX_ctrl would do as well, and costs a fifth more of a small message's time.
static void point_at_tag(OSSL_PARAM params[2], uint8_t *tag) {
  params[0] = (OSSL_PARAM){"tag", PARAM_OCTET_STRING, tag, TAG_BYTES, 0};
  params[1] = (OSSL_PARAM){NULL, 0, NULL, 0, 0};
}

static void counter_to_bytes(uint8_t *bytes, uint64_t counter) {
  for (int i = 0; i < COUNTER_BYTES; i++) bytes[i] = (uint8_t)(counter >> (8 * i));
}

// Returns `count`, or a negative error before or at the first message that could not be sealed.
int aead_seal_batch(EVP_CIPHER_CTX *context, uint8_t *arena, uint64_t arena_bytes, uint64_t offset, uint32_t stride,
                    uint32_t count, uint32_t last_bytes, uint64_t first_counter) {
  if (count == 0) return 0;
  if (last_bytes < OVERHEAD_BYTES || last_bytes > INT32_MAX || count > INT32_MAX || offset > arena_bytes ||
      (count > 1 && (stride < last_bytes || stride > INT32_MAX)) ||
      (uint64_t)(count - 1) * stride + last_bytes > arena_bytes - offset)
    return ERROR_BOUNDS;

  for (uint32_t i = 0; i < count; i++) {
    uint8_t *message = arena + offset + (uint64_t)i * stride;
    uint8_t *payload = message + HEADER_BYTES;
    int payload_bytes = (int)((i == count - 1 ? last_bytes : stride) - OVERHEAD_BYTES);
    int written = 0;
    uint8_t nonce[NONCE_BYTES] = {0};
    OSSL_PARAM tag[2];
    point_at_tag(tag, payload + payload_bytes);
    counter_to_bytes(message + COUNTER_OFFSET, first_counter + i);
    memcpy(nonce + NONCE_BYTES - COUNTER_BYTES, message + COUNTER_OFFSET, COUNTER_BYTES);
    if (EVP_CipherInit_ex(context, NULL, NULL, NULL, nonce, 1) != 1 ||
        EVP_CipherUpdate(context, payload, &written, payload, payload_bytes) != 1 ||
        EVP_CipherFinal_ex(context, payload + written, &written) != 1 ||
        EVP_CIPHER_CTX_get_params(context, tag) != 1)
      return ERROR_CIPHER;
  }
  return (int)count;
}

// Sets `verdicts[i]` to 1 for an authentic message, else to 0. Returns how many messages there were, or an error.
int aead_open_batch(EVP_CIPHER_CTX *context, uint8_t *arena, uint64_t arena_bytes, uint64_t offset, uint64_t total_bytes,
                    uint32_t stride, uint8_t *verdicts, uint64_t verdicts_bytes) {
  if (total_bytes == 0) return 0;
  if (stride == 0 || stride > INT32_MAX || offset > arena_bytes || total_bytes > arena_bytes - offset ||
      total_bytes > INT32_MAX || (total_bytes + stride - 1) / stride > verdicts_bytes)
    return ERROR_BOUNDS;

  int count = 0;
  for (uint64_t at = 0; at < total_bytes; at += stride, count++) {
    uint8_t *message = arena + offset + at;
    uint8_t *payload = message + HEADER_BYTES;
    uint64_t message_bytes = total_bytes - at < stride ? total_bytes - at : stride;
    int written = 0;
    uint8_t nonce[NONCE_BYTES] = {0};
    verdicts[count] = 0;
    if (message_bytes < OVERHEAD_BYTES) continue;
    int payload_bytes = (int)(message_bytes - OVERHEAD_BYTES);
    OSSL_PARAM tag[2];
    point_at_tag(tag, payload + payload_bytes);
    memcpy(nonce + NONCE_BYTES - COUNTER_BYTES, message + COUNTER_OFFSET, COUNTER_BYTES);
    verdicts[count] = EVP_CipherInit_ex(context, NULL, NULL, NULL, nonce, 0) == 1 &&
                      EVP_CIPHER_CTX_set_params(context, tag) == 1 &&
                      EVP_CipherUpdate(context, payload, &written, payload, payload_bytes) == 1 &&
                      EVP_CipherFinal_ex(context, payload + written, &written) == 1;
  }
  return count;
}
