// A library with OpenBLAS's functions, for tests: plain loops. PEGEN_MOCK_BLAS says how it is wrong: 'serial' is built for one
// thread, 'sums' has other results.
#include <stdlib.h>
#include <string.h>

static int is(const char* what) {
  const char* given = getenv("PEGEN_MOCK_BLAS");
  return given != 0 && strcmp(given, what) == 0;
}

static int threads = 0;

const char* openblas_get_config(void) { return "OpenBLAS 9.8.7 MOCK MAX_THREADS=1"; }
int openblas_get_parallel(void) { return is("serial") ? 0 : 1; }
void openblas_set_num_threads(int count) { threads = count; }

enum { column_major = 102, transposed = 112 };

void cblas_sgemm(int layout, int form_a, int form_b, int m, int n, int k, float alpha, const float* a, int lda, const float* b,
                 int ldb, float beta, float* c, int ldc) {
  if (layout != column_major || threads != 1) abort();
  for (int j = 0; j < n; j += 1) {
    for (int i = 0; i < m; i += 1) {
      float sum = is("sums") ? 1 : 0;
      for (int l = 0; l < k; l += 1) {
        float left = form_a == transposed ? a[l + (size_t)i * lda] : a[i + (size_t)l * lda];
        float right = form_b == transposed ? b[j + (size_t)l * ldb] : b[l + (size_t)j * ldb];
        sum += left * right;
      }
      float* to = c + i + (size_t)j * ldc;
      *to = alpha * sum + (beta == 0 ? 0 : beta * *to);
    }
  }
}
