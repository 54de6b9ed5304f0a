using System.Text;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Evaluation.Models;

/// <summary>Inputs, outputs and weight count of an ONNX file, read without a runtime; weights are skipped.</summary>
/// <param name="Parameters">Elements of all stored weights, without integers (shapes, indices).</param>
/// <remarks>
/// Field numbers of the ONNX schema (onnx.proto3): ModelProto.graph 7; GraphProto.initializer 5, input 11, output 12.
/// </remarks>
public sealed record OnnxFile(IReadOnlyList<TensorSpec> Inputs, IReadOnlyList<TensorSpec> Outputs, long Parameters)
{
    private const int Graph = 7, Initializer = 5, Input = 11, Output = 12;

    // TensorProto.data_type: float, uint8, int8, float16, bfloat16.
    private static readonly long[] s_weights = [1, 2, 3, 10, 16];

    /// <exception cref="ModelException">Not readable, or not an ONNX file.</exception>
    public static OnnxFile Read(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            var wire = new Wire(file);
            List<TensorSpec> inputs = [], outputs = [];
            var parameters = 0L;
            var graphs = 0;
            foreach (var graph in wire.Messages(file.Length, Graph))
            {
                graphs++;
                foreach (var field in wire.Messages(graph.End, Initializer, Input, Output))
                {
                    if (field.Number == Initializer) parameters += Elements(wire, field.End);
                    else (field.Number == Input ? inputs : outputs).Add(Spec(wire, field.End));
                }
            }

            if (graphs != 1) throw new ModelException($"{path}: it is not an ONNX file: it has {graphs} graphs.");
            return new OnnxFile(inputs, outputs, parameters);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException
            or OverflowException)
        {
            throw new ModelException($"{path}: it cannot be read as an ONNX file: {e.Message}", e);
        }
    }

    /// <summary>Elements of a TensorProto: dims 1, data_type 2.</summary>
    private static long Elements(Wire wire, long end)
    {
        var (elements, type) = (1L, 0L);
        wire.Numbers(end, (field, value) =>
        {
            if (field == 1) elements = checked(elements * Math.Max(0, value));
            else if (field == 2) type = value;
        });
        return s_weights.Contains(type) ? elements : 0;
    }

    /// <summary>
    /// A ValueInfoProto: name 1, type 2; TypeProto.tensor_type 1; Tensor.shape 2; TensorShapeProto.dim 1;
    /// Dimension.dim_value 1.
    /// </summary>
    private static TensorSpec Spec(Wire wire, long end)
    {
        var name = "";
        var shape = new List<long>();
        foreach (var field in wire.Messages(end, 1, 2))
        {
            if (field.Number == 1)
            {
                name = wire.Text(field.End);
                continue;
            }

            foreach (var tensor in wire.Messages(field.End, 1))
                foreach (var sides in wire.Messages(tensor.End, 2))
                    foreach (var side in wire.Messages(sides.End, 1))
                    {
                        var size = -1L;
                        wire.Numbers(side.End, (number, value) => size = number == 1 ? value : size);
                        shape.Add(size);
                    }
        }

        return new TensorSpec(name, [.. shape]);
    }

    /// <summary>Reader of the wire format of protocol buffers; fields that are not asked for are skipped.</summary>
    private sealed class Wire(FileStream file)
    {
        private const int LongestText = 1 << 16;

        /// <summary>Length-delimited fields of these numbers, each with the file at its content.</summary>
        public IEnumerable<(int Number, long End)> Messages(long end, params int[] numbers)
        {
            while (file.Position < end)
            {
                var (number, type) = Tag();
                var stop = Content(type, end);
                if (type == 2 && numbers.Contains(number)) yield return (number, stop);
                file.Position = stop;
            }
        }

        /// <summary>Integer fields up to <paramref name="end"/>, packed or not.</summary>
        public void Numbers(long end, Action<int, long> found)
        {
            while (file.Position < end)
            {
                var (number, type) = Tag();
                if (type == 0)
                {
                    found(number, Varint());
                    continue;
                }

                var stop = Content(type, end);
                // Packed dims; no other list of numbers is asked for.
                while (type == 2 && number == 1 && file.Position < stop) found(number, Varint());
                file.Position = stop;
            }
        }

        public string Text(long end)
        {
            var length = end - file.Position;
            if (length > LongestText) throw new InvalidDataException($"a name of {length} bytes");
            var bytes = new byte[length];
            file.ReadExactly(bytes);
            return Encoding.UTF8.GetString(bytes);
        }

        private (int Number, int Type) Tag()
        {
            var tag = Varint();
            return ((int)(tag >> 3), (int)(tag & 7));
        }

        /// <summary>End of a field's content; the file is at its beginning.</summary>
        private long Content(int type, long end)
        {
            if (type == 0)
            {
                Varint();
                return file.Position;
            }

            var length =
                type switch { 1 => 8, 2 => Varint(), 5 => 4, _ => throw new InvalidDataException($"wire type {type}") };
            var stop = file.Position + length;
            return length >= 0 && stop >= file.Position && stop <= end
                ? stop
                : throw new InvalidDataException("a field is longer than what it is in");
        }

        private long Varint()
        {
            var value = 0UL;
            for (var shift = 0; shift < 64; shift += 7)
            {
                var next = file.ReadByte();
                if (next < 0) throw new EndOfStreamException("it ends too early");
                value |= (ulong)(next & 0x7f) << shift;
                if (next < 0x80) return (long)value;
            }

            throw new InvalidDataException("a number is too long");
        }
    }
}
