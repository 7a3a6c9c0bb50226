// A mock of cuBLASLt, in the same library as the mock of the driver: its own names, signatures and numbers for what the
// device asks of it, done by plain loops in the order of the stream. Shapes that the real library refuses are refused.
// Environment variable: PEGEN_MOCK_NO_ALGORITHM=1, no shape has an algorithm.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#define LIBRARY extern "C" __attribute__((visibility("default")))

LIBRARY int cuLaunchHostFunc(void* stream, void (*function)(void*), void* data);

namespace lt {

enum Status { success = 0, invalid_value = 7, not_supported = 15 };
enum Type { f32 = 0, bf16 = 14 };

struct Operation {
  int compute, scale;
  int transposed[2] = {0, 0};
};

struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t leading;
  int32_t batches = 1;
  int64_t stride = 0;
};

struct Preference {
  uint64_t workspace = 0;
};

/** As the library lays it out. */
struct Result {
  uint64_t algorithm[8];
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};

constexpr uint64_t mark = 0x70656765; // in an algorithm that we gave

static float load(const unsigned char* at, int type, int64_t index) {
  if (type == f32) {
    float value;
    memcpy(&value, at + 4 * index, 4);
    return value;
  }
  uint16_t half;
  memcpy(&half, at + 2 * index, 2);
  const uint32_t bits = uint32_t(half) << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

static void store(unsigned char* at, int type, int64_t index, float value) {
  if (type == f32) {
    memcpy(at + 4 * index, &value, 4);
    return;
  }
  uint32_t bits;
  memcpy(&bits, &value, 4);
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  const uint16_t half = uint16_t(nan ? bits >> 16 | 0x40u : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
  memcpy(at + 2 * index, &half, 2);
}

struct Product {
  Operation operation;
  Layout a, b, d;
  float alpha, beta;
  const unsigned char *at_a, *at_b;
  unsigned char* at_d;

  uint64_t inner() const { return operation.transposed[0] ? a.rows : a.columns; }

  bool fits() const {
    const uint64_t m = operation.transposed[0] ? a.columns : a.rows, k = inner();
    const uint64_t n = operation.transposed[1] ? b.rows : b.columns, other = operation.transposed[1] ? b.columns : b.rows;
    const bool sizes = m == d.rows && n == d.columns && k == other && m > 0 && n > 0 && k > 0;
    const bool leading = a.leading >= int64_t(a.rows) && b.leading >= int64_t(b.rows) && d.leading >= int64_t(d.rows);
    const bool batches = a.batches == d.batches && b.batches == d.batches;
    return sizes && leading && batches && (d.batches == 1 || d.stride > 0);
  }
  bool known() const {
    const bool types = (a.type == f32 && b.type == f32 && d.type == f32) ||
                       (a.type == bf16 && b.type == bf16 && (d.type == bf16 || d.type == f32));
    return types && operation.compute == 68 && operation.scale == f32;
  }
  void run() const {
    const int64_t rise_a = operation.transposed[0] ? a.leading : 1, along_a = operation.transposed[0] ? 1 : a.leading;
    const int64_t rise_b = operation.transposed[1] ? 1 : b.leading, along_b = operation.transposed[1] ? b.leading : 1;
    const int64_t k = int64_t(inner());
    std::vector<float> row(static_cast<size_t>(k));
    for (int64_t batch = 0; batch < d.batches; batch += 1)
      for (int64_t i = 0; i < int64_t(d.rows); i += 1) {
        for (int64_t p = 0; p < k; p += 1) row[size_t(p)] = load(at_a, a.type, batch * a.stride + i * rise_a + p * along_a);
        for (int64_t j = 0; j < int64_t(d.columns); j += 1) {
          float sum = 0;
          for (int64_t p = 0; p < k; p += 1)
            sum += row[size_t(p)] * load(at_b, b.type, batch * b.stride + j * rise_b + p * along_b);
          const int64_t to = batch * d.stride + j * d.leading + i;
          store(at_d, d.type, to, alpha * sum + (beta == 0 ? 0 : beta * load(at_d, d.type, to)));
        }
      }
  }
};

/** Enqueued products; a graph may run them again. */
static std::vector<std::unique_ptr<Product>> products;

}  // namespace lt

LIBRARY size_t cublasLtGetVersion() { return 130100; }

LIBRARY int cublasLtCreate(void** out) {
  *out = new int(0);
  return lt::success;
}
LIBRARY int cublasLtDestroy(void* library) {
  delete static_cast<int*>(library);
  return lt::success;
}

LIBRARY int cublasLtMatmulDescCreate(void** out, int compute, int scale) {
  *out = new lt::Operation{compute, scale};
  return lt::success;
}
LIBRARY int cublasLtMatmulDescDestroy(void* of) {
  delete static_cast<lt::Operation*>(of);
  return lt::success;
}
LIBRARY int cublasLtMatmulDescSetAttribute(void* of, int attribute, const void* value, size_t bytes) {
  if (bytes != 4 || (attribute != 3 && attribute != 4)) return lt::invalid_value;
  memcpy(&static_cast<lt::Operation*>(of)->transposed[attribute - 3], value, 4);
  return lt::success;
}

LIBRARY int cublasLtMatrixLayoutCreate(void** out, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  *out = new lt::Layout{type, rows, columns, leading};
  return lt::success;
}
LIBRARY int cublasLtMatrixLayoutDestroy(void* of) {
  delete static_cast<lt::Layout*>(of);
  return lt::success;
}
LIBRARY int cublasLtMatrixLayoutSetAttribute(void* of, int attribute, const void* value, size_t bytes) {
  auto* const layout = static_cast<lt::Layout*>(of);
  if (attribute == 5 && bytes == 4) memcpy(&layout->batches, value, 4);
  else if (attribute == 6 && bytes == 8) memcpy(&layout->stride, value, 8);
  else return lt::invalid_value;
  return lt::success;
}

LIBRARY int cublasLtMatmulPreferenceCreate(void** out) {
  *out = new lt::Preference;
  return lt::success;
}
LIBRARY int cublasLtMatmulPreferenceDestroy(void* of) {
  delete static_cast<lt::Preference*>(of);
  return lt::success;
}
LIBRARY int cublasLtMatmulPreferenceSetAttribute(void* of, int attribute, const void* value, size_t bytes) {
  if (attribute == 1 && bytes == 8) memcpy(&static_cast<lt::Preference*>(of)->workspace, value, 8);
  else if ((attribute != 3 && (attribute < 5 || attribute > 8)) || bytes != 4) return lt::invalid_value;
  return lt::success;
}

LIBRARY int cublasLtMatmulAlgoGetHeuristic(void*, const lt::Operation* operation, const lt::Layout* a, const lt::Layout* b,
                                       const lt::Layout* c, const lt::Layout* d, const lt::Preference*, int wanted, lt::Result* results,
                                       int* found) {
  *found = 0;
  const lt::Product product{*operation, *a, *b, *d, 0, 0, nullptr, nullptr, nullptr};
  if (wanted < 1 || c != d || !product.fits()) return lt::invalid_value;
  const char* none = getenv("PEGEN_MOCK_NO_ALGORITHM");
  if (!product.known() || (none != nullptr && *none == '1')) return lt::not_supported;
  memset(results, 0, sizeof *results);
  results[0].algorithm[0] = lt::mark;
  *found = 1;
  return lt::success;
}

LIBRARY int cublasLtMatmul(void*, const lt::Operation* operation, const float* alpha, const void* a, const lt::Layout* layout_a,
                       const void* b, const lt::Layout* layout_b, const float* beta, const void* c, const lt::Layout* layout_c,
                       void* d, const lt::Layout* layout_d, const uint64_t* algorithm, void* workspace, size_t bytes,
                       void* stream) {
  lt::products.push_back(std::unique_ptr<lt::Product>(
      new lt::Product{*operation, *layout_a, *layout_b, *layout_d, *alpha, *beta, static_cast<const unsigned char*>(a),
                  static_cast<const unsigned char*>(b), static_cast<unsigned char*>(d)}));
  lt::Product* const product = lt::products.back().get();
  if (!product->fits() || !product->known() || c != d || layout_c != layout_d || algorithm == nullptr ||
      algorithm[0] != lt::mark || (bytes > 0 && workspace == nullptr))
    return lt::invalid_value;
  return cuLaunchHostFunc(stream, [](void* of) { static_cast<lt::Product*>(of)->run(); }, product) == 0 ? lt::success : 13;
}
