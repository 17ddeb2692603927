/* Remember which logins were right or wrong. Must never keep a password, nor what it could be guessed
 * from. */
#include "registry/access/passwords.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/buf.h"
#include "storage/base/lock.h"
#include "storage/base/banned.h"

#define WAYS 4 /* places that a login may have */
#define MAC_SIZE 32

struct place {
	int64_t until; /* 0: free */
	unsigned char mac[MAC_SIZE];
	bool right;
};

struct passwords {
	unsigned char key[MAC_SIZE];
	pthread_mutex_t lock;
	struct place places[PASSWORDS_MAX];
};

int passwords_new(struct passwords **out, struct err *e)
{
	AUTO(passwords_free) struct passwords *p = mem_alloc(sizeof(*p));

	pthread_mutex_init(&p->lock, NULL);
	if (RAND_bytes(p->key, sizeof(p->key)) != 1)
		return err_set(e, ERR_IO, "no random bytes");
	*out = STEAL(p);
	return 0;
}

void passwords_free(struct passwords **out)
{
	struct passwords *p = STEAL(*out);

	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	explicit_bzero(p, sizeof(*p));
	free(p);
}

static void mac_of(const struct passwords *p, const char *login, unsigned char mac[MAC_SIZE])
{
	if (!HMAC(EVP_sha256(), p->key, sizeof(p->key), (const unsigned char *)login, strlen(login),
		    mac, NULL))
		BUG("no HMAC");
}

static struct place *places_of(struct passwords *p, const unsigned char mac[MAC_SIZE])
{
	size_t set = ((size_t)mac[0] << 8 | mac[1]) % (PASSWORDS_MAX / WAYS);

	return &p->places[set * WAYS];
}

int passwords_recall(struct passwords *p, const char *login, int64_t now)
{
	unsigned char mac[MAC_SIZE];
	struct place *set;
	int found = -1;

	mac_of(p, login, mac);
	set = places_of(p, mac);
	LOCK_SCOPE(&p->lock);
	for (int i = 0; i < WAYS; i++)
		if (set[i].until > now && CRYPTO_memcmp(set[i].mac, mac, MAC_SIZE) == 0)
			found = set[i].right;
	return found;
}

/* Overwrite the same login, or else what is forgotten first: wrong ones push out wrong ones. */
void passwords_remember(struct passwords *p, const char *login, bool right, int64_t now)
{
	struct place *set, *place;
	unsigned char mac[MAC_SIZE];

	mac_of(p, login, mac);
	set = place = places_of(p, mac);
	LOCK_SCOPE(&p->lock);
	for (int i = 1; i < WAYS; i++)
		if (set[i].until < place->until)
			place = &set[i];
	for (int i = 0; i < WAYS; i++)
		if (CRYPTO_memcmp(set[i].mac, mac, MAC_SIZE) == 0)
			place = &set[i];
	memcpy(place->mac, mac, MAC_SIZE);
	place->until = now + (right ? PASSWORD_RIGHT_SECONDS : PASSWORD_WRONG_SECONDS);
	place->right = right;
}
