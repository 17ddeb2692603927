/* Calls that have no safe use here become compile errors. Included last by every .c of ours. */
#ifndef MOAT_BANNED_H
#define MOAT_BANNED_H

#define BANNED(call) sorry_##call##_is_a_banned_call

#undef strcpy
#define strcpy BANNED(strcpy)
#undef strcat
#define strcat BANNED(strcat)
#undef strncpy
#define strncpy BANNED(strncpy)
#undef strncat
#define strncat BANNED(strncat)
#undef sprintf
#define sprintf BANNED(sprintf)
#undef vsprintf
#define vsprintf BANNED(vsprintf)
#undef strtok
#define strtok BANNED(strtok)
#undef gets
#define gets BANNED(gets)
#undef asctime
#define asctime BANNED(asctime)
#undef ctime
#define ctime BANNED(ctime)

#endif
